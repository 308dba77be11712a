"""Every query that the adapter sends is SOQL in the eyes of a parser written by others."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from shared.crm.port import SolutionDetail
from shared.domain.record import CrmStage, RecordChange, RecordKind, StageChange
from tests.contract.deals import ANN, BACKUP, BEN, VAULT, deal
from tests.contract.rigs import OTHER_USER, USER, SalesforceRig
from tests.crm.salesforce.conftest import OrgMaker
from tests.crm.salesforce.deals import change

PEER = Path(__file__).parents[2] / "sandbox" / "soql_peer.mjs"
AWKWARD = 'O\'Brien \\ "GmbH" @{x.y} \n\t\x01 – 東京 %_'


def queries_of(url: str, body: bytes | str | None) -> list[str]:
    """What a request asks for, itself or in the parts of a composite request."""
    document = json.loads(body) if body and url.endswith("/composite") else {}
    urls = [url, *(part["url"] for part in document.get("compositeRequest", ()))]
    return [query for one in urls for query in parse_qs(urlsplit(one).query).get("q", ())]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node and the sandbox's packages")
def test_a_parser_of_others_takes_every_query(org: OrgMaker) -> None:
    rig: SalesforceRig = org(team_selling=True)
    sent: list[str] = []

    def keep(response: requests.Response, *_: object, **__: object) -> None:
        sent.extend(queries_of(response.request.url or "", response.request.body))

    rig.http.hooks["response"].append(keep)
    new = deal(rig.mapping, AWKWARD, customer_name=AWKWARD, team=(USER, OTHER_USER), solutions=(BACKUP, VAULT))
    record = rig.crm.create(new, rig.crm.prepare(new), None)
    rig.crm.update(record, change(rig, name="renamed", deal_value=None))
    record = rig.crm.get(RecordKind.OPPORTUNITY, record.id)
    sets = change(rig, contacts=(BEN,), team=(OTHER_USER,), solutions=(VAULT,), customer_city="Potsdam")
    rig.crm.update(record, RecordChange(sets.values, StageChange(CrmStage.WON)))
    for kind in RecordKind:
        *_, last = rig.crm.changes(kind, None)
        list(rig.crm.changes(kind, last.cursor))
    list(rig.crm.solution_changes(None))
    lead = rig.hands.insert("Lead", {"LastName": ANN.last_name, "Company": "Fabrikam"})
    rig.crm.opportunity_of(rig.crm.get(RecordKind.LEAD, lead))
    rig.crm.save_solution_details([SolutionDetail("SOL-1", "One")])
    rig.crm.diagnose()
    distinct = sorted(set(sent))
    assert len(distinct) > 20
    run = subprocess.run(
        ["node", str(PEER)], input=json.dumps(distinct), capture_output=True, text=True, timeout=60, check=True
    )
    refused = [query for query, is_valid in zip(distinct, json.loads(run.stdout), strict=True) if not is_valid]
    assert refused == []
