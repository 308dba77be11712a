"""What must be right before the app serves anything."""

from __future__ import annotations

import os

CONNECTION = "AzureWebJobsStorage"
"""The app setting, or prefix of app settings, of the storage account that holds state and queues."""

REFERRAL_EVENTS = "referral-events"
RELATED_REFERRAL_EVENTS = "related-referral-events"
CRM_CHANGES = "crm-changes"
CRM_LEAD_CHANGES = "crm-lead-changes"


def schedule(setting: str, default: str) -> str:
    """The NCRONTAB schedule in an app setting. Not ``%SETTING%``, for which the host knows no default."""
    return os.environ.get(setting, "").strip() or default


def check_installation() -> None:
    """On a developer's machine: raises ``ConfigurationError`` with everything that is wrong, so that nothing starts.

    In Azure every cold start would pay for the check, and an app that does not load cannot say why. There the first
    use of the connector raises the same error: webhooks are refused and sent again, messages wait in their queues
    (host.json lets no dequeue count decide), and ``health`` tells what is wrong.
    """
    if os.environ.get("AZURE_FUNCTIONS_ENVIRONMENT") != "Development":
        return
    from shared.mapping_files import load_mapping
    from shared.settings import load_settings

    load_mapping(load_settings())
