"""The Referrals API: reads, creates and patches referrals, and knows nothing of what they mean.

https://learn.microsoft.com/partner-center/developer/referrals-api-introduction
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from shared.domain.errors import RetryLater
from shared.domain.patch import PatchOperation
from shared.partner_center.answers import SERVICE
from shared.partner_center.odata import guid, literal, timestamp
from shared.transport import Request, Transport, check_address

REFERRALS_URL = "https://api.partner.microsoft.com/v1.0/engagements"

Document = dict[str, Any]
Documents = list[Document]


class Referrals:
    """Referrals of the tenant that the transport's token belongs to. Safe to share between threads.

    Every method raises the transport's errors: 403 is ``ConfigurationError`` with code ``forbidden``, which for a
    referral of another organisation only means that this side is not ours to read.
    """

    def __init__(
        self, transport: Transport, base_url: str = REFERRALS_URL, *, allow_loopback_http: bool = False
    ) -> None:
        check_address(base_url, SERVICE, allow_loopback_http=allow_loopback_http)
        self._transport = transport
        self._url = f"{base_url.rstrip('/')}/referrals"

    def get(self, referral_id: str) -> Document:
        """Raises ``NotFound`` for an id that Partner Center does not show us, ``Rejected`` for one that is no GUID."""
        return self._read("referral.get", self._one(referral_id))

    def list(self, filter: str, order_by: str | None = "updatedDateTime asc") -> Iterator[Documents]:
        """Pages of referrals that match the OData ``filter`` (empty: all); one call each, made when it is asked for.

        Rows may repeat or be missed where referrals change while the pages are read: overlap and compare.
        """
        options = {"$filter": filter, "$orderby": order_by or ""}
        query = urlencode({name: value for name, value in options.items() if value}, safe="$", quote_via=quote)
        followed = {query}
        while True:
            page = self._read("referral.list", f"{self._url}?{query}" if query else self._url)
            yield _rows(page)
            next_link = page.get("@odata.nextLink")
            if not next_link:
                return
            # Documented links are http and lack part of the path: only the query is taken, host and path stay ours.
            query = _query_of(next_link)
            if not query or query in followed:
                raise RetryLater(
                    "Partner Center's list of referrals does not end: its next page is one already read",
                    code="endless_list",
                    service=SERVICE,
                )
            followed.add(query)

    def updated_since(self, since: datetime) -> Iterator[Documents]:
        """Pages of what changed at or after ``since`` (aware), oldest change first."""
        return self.list(f"updatedDateTime ge {timestamp(since)}")

    def of_engagement(self, engagement_id: str) -> Documents:
        """Every side of one deal that we may see, our own included."""
        pages = self.list(f"engagementId eq {literal(guid(engagement_id, 'engagement id'))}", order_by=None)
        return [referral for page in pages for referral in page]

    def created_for(self, external_reference: str, since: datetime) -> Documents:
        """Referrals with this ``externalReferenceId`` that changed at or after ``since``: those of a lost answer.

        Compared here, without regard to case: a filter on that field is not documented. ``since`` must lie before
        the first attempt by more than the clocks may differ.
        """
        wanted = external_reference.strip().casefold()
        if not wanted:
            raise ValueError("an empty reference would match nothing, and every retry would create anew")
        return [
            referral
            for page in self.updated_since(since)
            for referral in page
            if str(referral.get("externalReferenceId") or "").strip().casefold() == wanted
        ]

    def create(self, document: Mapping[str, Any]) -> Document:
        """The new referral as Partner Center holds it. There is no idempotency key: look before you repeat."""
        response = self._transport.send(self._request("POST", "referral.create", self._url, {}, dict(document)))
        created = response.json_object()
        if not isinstance(created.get("id"), str):
            raise response.unreadable("a referral without an id")
        return created

    def patch(self, referral_id: str, operations: Sequence[PatchOperation], etag: str | None) -> Document:
        """The referral after the change; all operations hold or none.

        ``etag`` is the referral's ``eTag`` field as it came, quotes included; ``VersionConflict`` is raised, and
        nothing written, if it is no longer current. ``None`` overwrites whatever is there. Costs a second call where
        the service answers without the referral.
        """
        if not operations:
            raise ValueError("nothing to patch")
        url = self._one(referral_id)
        headers = {"Prefer": "return=representation"}
        if etag is not None:
            headers["If-Match"] = etag
        response = self._transport.send(
            self._request("PATCH", "referral.patch", url, headers, [operation.document() for operation in operations])
        )
        return response.json_object() if response.body else self.get(referral_id)

    def _one(self, referral_id: str) -> str:
        return f"{self._url}/{guid(referral_id, 'referral id')}"

    def _read(self, operation: str, url: str) -> Document:
        return self._transport.send(self._request("GET", operation, url, {}, None)).json_object()

    @staticmethod
    def _request(method: str, operation: str, url: str, headers: Mapping[str, str], content: Any) -> Request:
        # The connector's definition of the API marks Content-Type as required, on GET too.
        return Request(method, url, operation, headers={"Content-Type": "application/json", **headers}, json=content)


def _rows(page: Document) -> Documents:
    rows = page.get("value")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise RetryLater(
            "Partner Center answered referral.list with something that is not a list of referrals",
            code="unreadable_answer",
            service=SERVICE,
        )
    return rows


def _query_of(next_link: object) -> str:
    try:
        return urlsplit(next_link).query if isinstance(next_link, str) else ""
    except ValueError:
        return ""
