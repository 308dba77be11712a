"""Arrows run downwards only, the domain is pure, adapters and sandbox keep to themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.layers import Source, read_sources, violations

ROOT = Path(__file__).parents[2]


def test_no_module_breaks_the_layers() -> None:
    sources = list(read_sources(ROOT))
    assert {"shared.domain.plan", "shared.sync.reconcile", "sandbox.control"} <= {source.module for source in sources}
    assert [found for source in sources for found in violations(source)] == []


@pytest.mark.parametrize(
    ("module", "text", "expected"),
    [
        ("shared.domain.plan", "import requests", "imports requests"),
        ("shared.domain.plan", "import os", "imports os"),
        ("shared.domain.plan", "from os import environ", "imports os.environ"),
        ("shared.domain.plan", "import time", "imports time"),
        ("shared.domain.plan", "from random import random", "imports random.random"),
        ("shared.domain.plan", "from azure.functions import Blueprint", "imports azure.functions.Blueprint"),
        ("shared.domain.plan", "import azure.identity as identity", "imports azure.identity"),
        ("shared.domain.plan", "def late():\n    import urllib.request", "imports urllib.request"),
        ("shared.domain.plan", "from importlib import import_module", "imports importlib"),
        ("shared.domain.plan", "from datetime import datetime\nnow = datetime.now(None)", "calls now()"),
        ("shared.domain.plan", "text = open('mapping.toml').read()", "calls open()"),
        ("shared.domain.plan", "from shared.settings import Settings", "not below"),
        ("shared.domain.plan", "from shared.sync import deals", "not below"),
        ("shared.domain.plan", "from ..sync import deals", "imports shared.sync.deals"),
        ("shared.domain.plan", "if True:\n    from shared import transport", "imports shared.transport"),
        ("shared.transport", "from shared.partner_center.client import Referrals", "not below"),
        ("shared.answers", "from shared.crm.port import CrmPort", "not below"),
        ("shared.call_count", "from shared.state.tables import Tables", "not below"),
        ("shared.correlation", "from shared.settings import Settings", "not below"),
        ("shared.settings", "from shared.connector import connect", "not below"),
        ("shared.partner_center.client", "from shared.crm.port import CrmPort", "not below"),
        ("shared.partner_center.client", "from shared.state.links import Links", "not below"),
        ("shared.partner_center.client", "from shared.settings import Settings", "not below"),
        ("shared.partner_center.client", "from shared.sync.deals import bring_record", "not below"),
        ("shared.state.links", "from shared.sync.sides import LinksPort", "not below"),
        ("shared.crm.fabrikam.adapter", "from shared.sync.outcome import Outcome", "not below"),
        ("shared.crm.fabrikam.adapter", "from shared.crm.contoso.adapter import Contoso", "not below"),
        ("shared.crm.fabrikam.adapter", "from ..contoso import adapter", "imports shared.crm.contoso.adapter"),
        ("shared.crm.fabrikam.adapter", "from shared.crm.registry import build_crm", "not below"),
        ("shared.crm.port", "from shared.crm.fabrikam.adapter import Fabrikam", "not below"),
        ("shared.sync.deals", "from shared.crm.fabrikam.adapter import Fabrikam", "not below"),
        ("shared.sync.deals", "from shared.crm.registry import build_crm", "not below"),
        ("shared.sync.deals", "from shared.connector import connect", "not below"),
        ("shared.sync.deals", "import flows.health", "not below"),
        ("shared.connector", "from shared.crm.fabrikam.adapter import Fabrikam", "not below"),
        ("shared.connector", "import function_app", "not below"),
        ("flows.health", "import function_app", "not below"),
        ("flows.health", "from shared.crm.fabrikam.adapter import Fabrikam", "not below"),
        ("flows.health", "from sandbox.control import Control", "not below"),
        ("shared.sync.deals", "import sandbox.control", "not below"),
        ("shared.state.links", "from tests.property.memory_links import MemoryLinks", "not below"),
        ("sandbox.control", "from shared.domain.errors import Rejected", "mistakes"),
        ("sandbox.control", "def late():\n    import function_app", "mistakes"),
        ("surprise", "", "has no place"),
        ("shared.sync.deals", "import shared.wiring", "not below"),
        ("shared.crm.port", "from shared import connector", "not below"),
        ("shared.domain.plan", "is_one = crm == 'Salesforce'", "speaks of 'salesforce'"),
        ("shared.sync.deals", "def read_dynamics365(): ...", "speaks of 'dynamics365'"),
        ("shared.sync.deals", "def read(salesforce_id): ...", "speaks of 'salesforce'"),
        ("flows.health", "name = f'{crm} is not salesforce'", "speaks of 'salesforce'"),
        ("flows.health", "build(dynamics365=1)", "speaks of 'dynamics365'"),
        ("flows.health", "from elsewhere import dynamics365", "speaks of 'dynamics365'"),
    ],
)
def test_a_violation_is_found(module: str, text: str, expected: str) -> None:
    assert any(expected in found for found in violations(Source(module, text)))


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("shared.domain.plan", "from shared.domain.base import Base\nfrom .merge import Merged\nimport datetime"),
        ("shared.domain.plan", '"""As Dynamics365 and Salesforce do."""\nlimit = 1\n"""As Salesforce counts."""'),
        ("shared.transport", "import requests\nfrom shared.domain.errors import RetryLater"),
        ("shared.partner_center.client", "from shared import transport\nfrom shared.partner_center import odata"),
        ("shared.crm.fabrikam.adapter", "from shared.crm.port import CrmPort\nfrom shared.crm.fabrikam import tables"),
        (
            "shared.crm.registry",
            "from shared.crm.fabrikam.adapter import Fabrikam\nfrom shared.settings import Settings",
        ),
        ("shared.sync.deals", "from shared.crm.port import CrmPort\nfrom shared.state.envelope import Envelope"),
        ("shared.connector", "from shared.sync.sides import Sides\nfrom shared.crm.registry import build_crm"),
        ("flows.health", "import azure.functions\nfrom shared.connector import connect"),
        ("function_app", "from flows.health import health\nimport azure.functions"),
        ("sandbox.dataverse.rows", "import aiohttp\nfrom sandbox.control import Control"),
    ],
)
def test_what_is_allowed_is_not_found_fault_with(module: str, text: str) -> None:
    assert violations(Source(module, text)) == []
