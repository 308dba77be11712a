"""The one place of this package that sends: a request, a query, or several requests as one.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_list.htm
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from shared.answers import Response
from shared.crm.salesforce import soql
from shared.crm.salesforce.api_usage import UsageMeter
from shared.crm.salesforce.auth import SERVICE, SalesforceSession
from shared.crm.salesforce.composite import Part, gathered, parse_composite, write_composite
from shared.crm.salesforce.errors import classifier, first_refusal
from shared.domain.errors import ConnectorError
from shared.transport import Request, Timeout, Transport

VERSION = "66.0"
# The name tells our own writes from others in change events; assignment rules would give leads away at every update.
# A duplicate rule that alerts leaves the decision to who saves, and accounts and people have been matched before; one
# that blocks still does. https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_duplicaterules.htm
_HEADERS = {
    "Sforce-Call-Options": "client=co-sell-connector",
    "Sforce-Auto-Assign": "FALSE",
    "Sforce-Duplicate-Rule-Header": "allowSave=true",
}


def build_transport(session: SalesforceSession, meter: UsageMeter, *, timeout: Timeout | None = None) -> Transport:
    """The session layer for one org, with Salesforce's errors; ``meter`` sees the answers that are refused."""
    return Transport(
        SERVICE,
        session.authorize,
        classify=classifier(meter.note),
        timeout=timeout or Timeout(),
        rests=True,
        correlation_header="x-sfdc-request-id",
    )


class RestApi:
    """Paths everywhere are relative to ``/services/data/v66.0/`` of the address that the sign-in names."""

    def __init__(
        self,
        transport: Transport,
        instance_url: Callable[[], str],
        meter: UsageMeter,
        *,
        version: str = VERSION,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._transport = transport
        self._instance_url = instance_url
        self._meter = meter
        self._root = f"/services/data/v{version}"
        self._clock = clock

    def send(
        self,
        method: str,
        path: str,
        operation: str,
        *,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
    ) -> Response:
        address = f"{self._instance_url()}{self._root}/{path}"
        request = Request(method, address, operation, {**_HEADERS, **(headers or {})}, json=json, idempotent=idempotent)
        response = self._transport.send(request)
        self._meter.note(response)
        return response

    def query(self, query: str, operation: str, *, deleted: bool = False) -> Response:
        """One page; ``deleted`` rows of the recycle bin too."""
        return self.send("GET", soql.path_of(query, deleted=deleted), operation)

    def composite(
        self,
        operation: str,
        parts: Sequence[Part],
        *,
        all_or_none: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> list[Response]:
        """The answers of ``parts``. With ``all_or_none``, raises what refused them, and nothing was written then.

        That is an error of code :data:`~shared.crm.salesforce.errors.HALTED` where a part named a row that an earlier
        one did not find. Without, refused parts are among the answers.
        """
        sent = gathered(parts)
        writes = any(part.method != "GET" for part in sent)
        document = write_composite(sent, self._root, all_or_none=all_or_none)
        answer = self.send("POST", "composite", operation, json=document, headers=headers, idempotent=not writes)
        answers = parse_composite(answer, sent)
        if all_or_none and (error := first_refusal(answers, self._clock())):
            raise error
        return answers

    def reads(self, operation: str, parts: Sequence[Part]) -> list[Response]:
        """The answers of ``parts``, of which each stands for itself; raises what refused the first of them."""
        answers = self.composite(operation, parts, all_or_none=False)
        if error := self.first_refusal(answers):
            raise error
        return answers

    def first_refusal(self, answers: Sequence[Response]) -> ConnectorError | None:
        return first_refusal(answers, self._clock())
