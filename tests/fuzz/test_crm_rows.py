"""Rows that a CRM should never serve: each is read, or refused by one of our errors; the adapter goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from sandbox.certificates import Certificates, make_certificates
from sandbox.dataverse import DataverseSimulator
from shared.answers import Response
from shared.crm.port import CrmPort
from shared.domain.errors import ConnectorError
from shared.domain.record import RecordKind
from shared.transport import Request, Transport
from tests.contract.deals import BACKUP, deal
from tests.contract.rigs import (
    Dynamics365Rig,
    SalesforceRig,
    check_token,
    dynamics365_rig,
    salesforce_rig,
)
from tests.fuzz.inputs import each_with_one_thing_wrong

OPPORTUNITY = RecordKind.OPPORTUNITY
EVERY = 5
"""One wrong answer of so many is served: every place is hit, with some of the wrong values."""


class Replaying:
    """Keeps the answer to the last read, and serves another body instead once it is given one."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.kept: Response | None = None
        self.instead: Any = None

    def send(self, request: Request) -> Response:
        if self.instead is None:
            self.kept = self._transport.send(request)
            return self.kept
        assert self.kept is not None
        return replace(self.kept, body=json.dumps(self.instead).encode())


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=["dynamics365", "salesforce"])
def rig(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[Dynamics365Rig | SalesforceRig]:
    if request.param == "salesforce":
        with salesforce_rig(certificates) as salesforce:
            yield salesforce
    else:
        with dynamics365_rig(certificates, DataverseSimulator(check_token)) as dynamics365:
            yield dynamics365


READS: dict[str, Callable[[CrmPort, str], object]] = {
    "get": lambda crm, record_id: crm.get(OPPORTUNITY, record_id),
    "changes": lambda crm, record_id: next(crm.changes(OPPORTUNITY, None)),
    "solution_changes": lambda crm, record_id: next(crm.solution_changes(None)),
}


@pytest.mark.parametrize("read", READS)
def test_any_row_is_read_or_refused_in_words(rig: Dynamics365Rig | SalesforceRig, read: str) -> None:
    crm = rig.crm
    new = deal(rig.mapping)
    record_id = crm.create(new, crm.prepare(new), None).id
    rig.set_solutions(record_id, BACKUP)
    rig.transport = replaying = Replaying(rig.transport)  # type: ignore[assignment]
    crm = rig.adapter()
    crm.catalogue()
    READS[read](crm, record_id)
    assert replaying.kept is not None
    served = 0
    for number, wrong in enumerate(each_with_one_thing_wrong(json.loads(replaying.kept.body))):
        if number % EVERY:
            continue
        replaying.instead, served = wrong, served + 1
        try:
            READS[read](crm, record_id)
        except ConnectorError as error:
            assert error.code
            assert len(error.message) < 2000
            assert not {"\r", "\n"} & set(error.message)
    assert served > 5
    replaying.instead = None
    READS[read](crm, record_id)
