"""Partner Center in memory: versions, the state machine and the closed door, for tests of the sync."""

from __future__ import annotations

import copy
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.domain.errors import ConnectorError, NotFound, Rejected, VersionConflict
from shared.domain.patch import PatchOperation

SUBSTATUSES = {
    "New": {"Pending", "Received"},
    "Active": {"Accepted"},
    "Closed": {"Won", "Lost", "Declined", "Expired", "Error"},
}
MAY_BECOME = {"New": {"New", "Active", "Closed"}, "Active": {"Active", "Closed"}, "Closed": set()}
OURS = "7d23e5ca-19dc-4eaa-aac8-5e6b559f0d1d"


@dataclass(frozen=True)
class _Fault:
    operation: str
    error: ConnectorError
    after_commit: bool


class MemoryPartnerCenter:
    """``calls`` counts remote calls; ``edit`` and ``add`` are a person's work in the portal and not counted.

    ``fail_next`` is bad luck; ``on_next`` is somebody else's work just before the next call is served.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.calls: Counter[str] = Counter()
        self._faults: list[_Fault] = []
        self._meanwhile: list[tuple[str, Callable[[], object]]] = []
        self._clock = clock
        self._documents: dict[str, dict[str, Any]] = {}
        self._version = 0

    def add(self, document: Mapping[str, Any]) -> str:
        """An incoming referral; its id."""
        made = {"id": str(uuid.uuid4()), "engagementId": str(uuid.uuid4()), "organizationId": OURS, **document}
        self._documents[made["id"]] = made
        self._touch(made)
        return str(made["id"])

    def edit(self, referral_id: str, changes: Mapping[str, Any]) -> bool:
        """A person changes fields by dotted path; ``False`` when the portal would not let them."""
        document = copy.deepcopy(self._documents[referral_id])
        for path, value in changes.items():
            _set(document, path.split("."), value)
        if not self._is_allowed(self._documents[referral_id], document):
            return False
        self._documents[referral_id] = document
        self._touch(document)
        return True

    def fail_next(self, error: ConnectorError, *, operation: str = "", after_commit: bool = False) -> None:
        """The next call (of ``operation``, if given) raises ``error``, with or without having done its work."""
        self._faults.append(_Fault(operation, error, after_commit))

    def on_next(self, operation: str, happening: Callable[[], object]) -> None:
        self._meanwhile.append((operation, happening))

    def peek(self, referral_id: str) -> dict[str, Any]:
        return copy.deepcopy(self._documents[referral_id])

    def ids(self) -> tuple[str, ...]:
        return tuple(self._documents)

    def get(self, referral_id: str) -> dict[str, Any]:
        _raise(self._begin("get"))
        if referral_id not in self._documents:
            raise NotFound(f"There is no referral {referral_id}")
        return self.peek(referral_id)

    def patch(self, referral_id: str, operations: Sequence[PatchOperation], etag: str | None) -> dict[str, Any]:
        lost = self._begin("patch")
        old = self._documents[referral_id]
        if etag is not None and etag != old["eTag"]:
            raise VersionConflict(f"Referral {referral_id} changed since it was read")
        document = copy.deepcopy(old)
        for operation in operations:
            _set(document, operation.path.strip("/").split("/"), copy.deepcopy(operation.value))
        if not self._is_allowed(old, document):
            raise Rejected(f"Referral {referral_id} may not be changed like this", code="invalidRequest")
        self._documents[referral_id] = document
        self._touch(document)
        _raise(lost)
        return self.peek(referral_id)

    def create(self, document: Mapping[str, Any]) -> dict[str, Any]:
        lost = self._begin("create")
        made = copy.deepcopy(dict(document))
        invited = any(target.get("id") == "msft" for target in made.get("target", ()))
        made["organizationId"] = "msft" if invited else OURS
        made |= {"status": "New", "substatus": "Pending"} if invited else {"status": "Active", "substatus": "Accepted"}
        created = self.add(made)
        _raise(lost)
        return self.peek(created)

    def of_engagement(self, engagement_id: str) -> list[dict[str, Any]]:
        _raise(self._begin("list"))
        return [self.peek(one["id"]) for one in self._documents.values() if one["engagementId"] == engagement_id]

    def created_for(self, external_reference: str, since: datetime) -> list[dict[str, Any]]:
        _raise(self._begin("list"))
        return [
            self.peek(one["id"])
            for one in self._documents.values()
            if one.get("externalReferenceId") == external_reference
            and datetime.fromisoformat(one["updatedDateTime"]) >= since
        ]

    def updated_since(self, since: datetime) -> Iterator[list[dict[str, Any]]]:
        _raise(self._begin("list"))
        yield [
            self.peek(one["id"])
            for one in sorted(self._documents.values(), key=lambda one: str(one["updatedDateTime"]))
            if datetime.fromisoformat(one["updatedDateTime"]) >= since
        ]

    def _begin(self, operation: str) -> ConnectorError | None:
        """Counts the call and raises what was ordered; an error that is due after the work is returned."""
        self.calls[operation] += 1
        for waiting in [one for one in self._meanwhile if one[0] == operation]:
            self._meanwhile.remove(waiting)
            waiting[1]()
        due = next((fault for fault in self._faults if fault.operation in ("", operation)), None)
        if due is None:
            return None
        self._faults.remove(due)
        if due.after_commit:
            return due.error
        raise due.error

    def _touch(self, document: dict[str, Any]) -> None:
        self._version += 1
        document["eTag"] = f'"{self._version:08d}"'
        document["updatedDateTime"] = self._clock().isoformat()

    @staticmethod
    def _is_allowed(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
        consent = "consentToShareReferralWithMicrosoftSellers"
        withdrawn = old.get("consent", {}).get(consent) and not new.get("consent", {}).get(consent)
        return (
            new["status"] in MAY_BECOME[old["status"]]
            and new["substatus"] in SUBSTATUSES[new["status"]]
            and not withdrawn
        )


def _raise(error: ConnectorError | None) -> None:
    if error is not None:
        raise error


def _set(document: dict[str, Any], steps: list[str], value: Any) -> None:
    *parents, last = steps
    for step in parents:
        document = document.setdefault(step, {})
    document[last] = value
