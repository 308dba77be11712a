"""What must be right before the app serves anything."""

from __future__ import annotations

import os

CONNECTION = "AzureWebJobsStorage"
"""The app setting, or prefix of app settings, of the storage account that holds state and queues."""

REFERRAL_EVENTS = "referral-events"
RELATED_REFERRAL_EVENTS = "related-referral-events"
CRM_CHANGES = "crm-changes"


def schedule(setting: str, default: str) -> str:
    """The NCRONTAB schedule in an app setting. Not ``%SETTING%``, for which the host knows no default."""
    return os.environ.get(setting, "").strip() or default


def check_installation() -> None:
    """Raises ``ConfigurationError`` with everything that is wrong with settings and mapping, so that nothing starts."""
    from shared.mapping_files import load_mapping
    from shared.settings import load_settings

    load_mapping(load_settings())
