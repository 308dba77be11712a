"""A whole CRM in memory, for tests: it passes the same contract suite as the real adapters."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.crm.port import (
    AccountCandidate,
    ApiUsage,
    Capabilities,
    Catalogue,
    Change,
    ChangePage,
    ContactCandidate,
    Prepared,
    SavedDetails,
    SolutionChangePage,
    SolutionDetail,
    Written,
)
from shared.domain.errors import ConnectorError, NotFound, VersionConflict
from shared.domain.finding import Condition, Finding
from shared.domain.mapping import CrmMapping, RecordMapping
from shared.domain.record import CrmStage, NewRecord, Record, RecordChange, RecordKind, StageChange
from shared.domain.values import Person
from tests.contract.memory_details import MemoryDetails
from tests.contract.memory_rules import CURRENCIES, Rules, made_of_lead, matches
from tests.contract.memory_solutions import MemorySolutions


@dataclass
class _Row:
    """``account_id`` is blank where there is no account, as in a lead; ``lead_id`` is what an opportunity came of."""

    kind: RecordKind
    id: str
    account_id: str
    stage: CrmStage
    stage_reason: str | None
    modified_at: datetime
    version: int = 0
    values: dict[str, Any] = field(default_factory=dict)
    lead_id: str | None = None

    @property
    def etag(self) -> str:
        return f'W/"{self.version}"'


@dataclass
class _Account:
    id: str
    created_at: datetime
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Fault:
    operation: str
    error: ConnectorError
    after_commit: bool


class MemoryCrm:
    """Opportunities and leads with versions, delta reads, money rounding and limits, safe from any thread.

    ``max_lengths`` by CRM path, in UTF-16 units. ``users`` are the people who can own a record, by e-mail address in
    lower case; ``None`` lets everyone. ``calls`` counts the remote calls a real CRM would have had. ``edit``,
    ``delete``, ``add`` and ``add_account`` are a seller's work; ``fail_next`` and ``expire_cursors`` are bad luck.
    """

    name = "Memory CRM"

    def __init__(
        self,
        mapping: CrmMapping,
        *,
        max_lengths: Mapping[str, int] | None = None,
        currencies: Mapping[str, int] | None = None,
        optimistic_lock: bool = True,
        qualifies_leads: bool = True,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        users: Mapping[str, Person] | None = None,
        page_size: int = 100,
    ) -> None:
        self.calls: Counter[str] = Counter()
        self.page_size = page_size
        self._mapping = mapping
        self._rules = Rules(mapping, max_lengths or {}, CURRENCIES if currencies is None else currencies, users)
        self._optimistic_lock = optimistic_lock
        self._qualifies_leads = qualifies_leads
        self._clock = clock
        self._lock = threading.RLock()
        self._last_id = self._version = self._oldest_cursor = 0
        self._rows: dict[str, _Row] = {}
        self._deleted: list[tuple[int, RecordKind, str]] = []
        self.solutions = MemorySolutions(self._next_version, lambda: self._version, lambda: self._oldest_cursor)
        self._accounts: dict[str, _Account] = {}
        self._faults: list[_Fault] = []
        self._meanwhile: list[tuple[str, Callable[[], object]]] = []
        self.details = MemoryDetails()

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(optimistic_lock=self._optimistic_lock, qualifies_leads=self._qualifies_leads)

    def catalogue(self, kind: RecordKind = RecordKind.OPPORTUNITY) -> Catalogue:
        return self._rules.catalogue(kind)

    def changes(self, kind: RecordKind, cursor: str | None) -> Iterator[ChangePage]:
        with self._lock:
            self._count("changes")
            full = cursor is None or int(cursor) < self._oldest_cursor
            since = -1 if full or cursor is None else int(cursor)
            rows = sorted((row for row in self._rows.values() if row.kind == kind), key=lambda row: row.version)
            found = [self._change(row) for row in rows if row.version > since]
            if not full:
                gone = (one for one in self._deleted if one[0] > since and one[1] == kind)
                found += [Change(kind, record_id, deleted=True) for _, _, record_id in gone]
            now = str(self._version)
        for start in range(0, max(len(found), 1), self.page_size):
            if start:
                self._count("changes")
            last = start + self.page_size >= len(found)
            yield ChangePage(tuple(found[start : start + self.page_size]), now if last else None, full)

    def solution_changes(self, cursor: str | None) -> Iterator[SolutionChangePage]:
        with self._lock:
            pages = list(self.solutions.pages(cursor, self.page_size, lambda: self._count("solution_changes")))
        yield from pages

    def get(self, kind: RecordKind, record_id: str) -> Record:
        with self._lock:
            self._count("get")
            return self._record(self._row(kind, record_id))

    def get_many(self, kind: RecordKind, record_ids: Sequence[str]) -> Mapping[str, Record]:
        with self._lock:
            self._count("get_many")
            rows = (self._rows.get(record_id) for record_id in record_ids)
            return {row.id: self._record(row) for row in rows if row is not None and row.kind == kind}

    def prepare(self, new: NewRecord) -> Prepared:
        with self._lock:
            self._count("prepare")
            existing = self._of_referral(new.kind, new.referral_id)
            wanted = {person.key for person in new.values.get("@contacts") or () if person.email}
            return Prepared(
                self._record(existing) if existing else None,
                tuple(
                    AccountCandidate(account.id, account.values.get("name") or "", account.created_at)
                    for account in self._accounts.values()
                    if new.account and any(new.account.match.values()) and matches(account.values, new.account.match)
                ),
                tuple(
                    ContactCandidate(f"contact of {row.id}", person.email, row.account_id)
                    for row in self._rows.values()
                    for person in row.values.get("@contacts") or ()
                    if person.key in wanted
                ),
                {email: email for email in self._rules.known_team(new.values.get("@team"))},
            )

    def create(self, new: NewRecord, prepared: Prepared, account_id: str | None) -> Record:
        with self._lock:
            after = self._count("create")
            if self._of_referral(new.kind, new.referral_id):
                raise VersionConflict(f"There is a record of referral {new.referral_id} already")
            if account_id is not None and account_id not in self._accounts:
                raise NotFound(f"There is no account {account_id}")
            mapping = self._mapping.records[new.kind]
            own = {path: value for path, value in new.values.items() if _account_column(mapping, path) is None}
            own = self._rules.checked(mapping, {**mapping.constants, **own})
            account_id = account_id or self._account_of_new(mapping, new)
            own[mapping.columns.referral_id] = new.referral_id
            row = self._insert(new.kind, account_id, new.stage)
            self._write(row, own)
            _raise(after)
            return self._record(row)

    def update(self, record: Record, change: RecordChange) -> Written:
        with self._lock:
            after = self._count("update")
            row = self._row(record.kind, record.id)
            if self._optimistic_lock and record.version is not None and record.version != row.etag:
                raise VersionConflict(f"The {record.kind} {record.id} changed since it was read")
            self._write(row, self._rules.checked(self._mapping.records[row.kind], change.values), change.stage)
            _raise(after)
            read = self._record(row)
            return Written(row.id, read.version, row.modified_at, {path: read.values[path] for path in change.values})

    def opportunity_of(self, lead: Record) -> Record | None:
        with self._lock:
            self._count("opportunity_of")
            found = (row for row in self._rows.values() if row.lead_id == lead.id)
            return next((self._record(row) for row in found), None)

    def lead_of(self, opportunity: Record) -> str | None:
        return opportunity.lead_id

    def qualify(self, lead: Record, prepared: Prepared, account_id: str | None) -> Record:
        with self._lock:
            after = self._count("qualify")
            row = self._row(lead.kind, lead.id)
            if lead.version is not None and lead.version != row.etag:
                raise VersionConflict(f"The lead {lead.id} changed since it was read")
            made = self.qualify_lead(lead.id, account_id)
            _raise(after)
            return self.peek(made)

    def qualify_lead(self, lead_id: str, account_id: str | None = None) -> str:
        """A seller makes an opportunity of a lead, as this CRM does it: what both have in common is copied; its id."""
        with self._lock:
            lead, mapping = self._rows[lead_id], self._mapping.records[RecordKind.OPPORTUNITY]
            values = {**made_of_lead(self._mapping, lead.values)}
            row = self._insert(RecordKind.OPPORTUNITY, account_id or self.add_account(), StageChange(CrmStage.ACTIVE))
            row.lead_id = lead_id
            if account_id:
                values = {path: value for path, value in values.items() if _account_column(mapping, path) is None}
            self._write(row, values)
            self._write(lead, {}, StageChange(CrmStage.ACTIVE))
            return row.id

    def link_to(self, kind: RecordKind, record_id: str) -> str:
        return f"https://memory.example/{kind}/{record_id}"

    def usage(self) -> ApiUsage | None:
        return ApiUsage(self.calls.total(), 1_000_000)

    def diagnose(self) -> tuple[Finding, ...]:
        try:
            self._count("diagnose")
        except ConnectorError as error:
            return (Finding(f"{self.name} sign-in", Condition.FAILED, error.message, error.remedy),)
        return (Finding(f"{self.name} sign-in", Condition.OK, "It is in this process."),)

    def save_solution_details(
        self, rows: Sequence[SolutionDetail], *, dry_run: bool = False, progress: Callable[[int], None] | None = None
    ) -> SavedDetails:
        with self._lock:
            self._count("save_solution_details")
            return self.details.save(rows, dry_run=dry_run, progress=progress)

    def add_account(self, **values: Any) -> str:
        """A new account with these columns; its id."""
        with self._lock:
            account = _Account(self._new_id(), self._clock(), values)
            self._accounts[account.id] = account
            return account.id

    def add(
        self,
        values: Mapping[str, Any],
        *,
        kind: RecordKind = RecordKind.OPPORTUNITY,
        stage: CrmStage = CrmStage.ACTIVE,
        account_id: str | None = None,
    ) -> str:
        """A record that a seller made; its id. Values of the account by path go to its account."""
        with self._lock:
            checked = self._rules.checked(self._mapping.records[kind], values)
            row = self._insert(kind, account_id or self.add_account(), StageChange(stage))
            self._write(row, checked)
            return row.id

    def edit(self, record_id: str, values: Mapping[str, Any], stage: StageChange | None = None) -> None:
        """A seller changes a record; not counted as a call. Here an edited set or account shows as a change too."""
        with self._lock:
            row = self._rows[record_id]
            self._write(row, self._rules.checked(self._mapping.records[row.kind], values), stage)

    def delete(self, record_id: str) -> None:
        with self._lock:
            row = self._rows.pop(record_id)
            self.solutions.replace(row.id, ())
            self._deleted.append((self._next_version(), row.kind, row.id))

    def ids(self, kind: RecordKind = RecordKind.OPPORTUNITY) -> tuple[str, ...]:
        with self._lock:
            return tuple(row.id for row in self._rows.values() if row.kind == kind)

    def peek(self, record_id: str) -> Record:
        """The record as it is, without counting a call."""
        with self._lock:
            return self._record(self._rows[record_id])

    def expire_cursors(self) -> None:
        """Every cursor handed out so far is forgotten: the next read is a full one."""
        with self._lock:
            self._oldest_cursor = self._next_version()

    def fail_next(self, error: ConnectorError, *, operation: str = "", after_commit: bool = False) -> None:
        """The next call (of ``operation``, if given) raises ``error``, with or without having done its work."""
        with self._lock:
            self._faults.append(_Fault(operation, error, after_commit))

    def on_next(self, operation: str, happening: Callable[[], object]) -> None:
        """Somebody else's work, just before the next call of ``operation`` is served."""
        self._meanwhile.append((operation, happening))

    def _count(self, operation: str) -> ConnectorError | None:
        """Counts the call and raises what was ordered; an error that is due after the work is returned."""
        due_now = [entry for entry in self._meanwhile if entry[0] == operation][:1]
        for entry in due_now:
            self._meanwhile.remove(entry)
            entry[1]()
        with self._lock:
            self.calls[operation] += 1
            due = next((fault for fault in self._faults if fault.operation in ("", operation)), None)
            if due is None:
                return None
            self._faults.remove(due)
            if due.after_commit:
                return due.error
            raise due.error

    def _account_of_new(self, mapping: RecordMapping, new: NewRecord) -> str:
        if new.account is None or mapping.account is None:
            return ""
        prefix = f"{mapping.account.lookup}."
        values = {f"{prefix}{name}": value for name, value in new.account.values.items()}
        checked = self._rules.checked(mapping, values)
        return self.add_account(**{path.removeprefix(prefix): value for path, value in checked.items()})

    def _new_id(self) -> str:
        self._last_id += 1
        return f"00000000-0000-4000-8000-{self._last_id:012d}"

    def _row(self, kind: RecordKind, record_id: str) -> _Row:
        row = self._rows.get(record_id)
        if row is None or row.kind != kind:
            raise NotFound(f"There is no {kind} {record_id}")
        return row

    def _of_referral(self, kind: RecordKind, referral_id: str) -> _Row | None:
        column = self._mapping.records[kind].columns.referral_id
        found = (row for row in self._rows.values() if row.kind == kind and row.values.get(column) == referral_id)
        return next(found, None)

    def _change(self, row: _Row) -> Change:
        columns = self._mapping.records[row.kind].columns
        referral_id = row.values.get(columns.referral_id)
        return Change(row.kind, row.id, row.etag, bool(row.values.get(columns.sync)), referral_id)

    def _record(self, row: _Row) -> Record:
        mapping = self._mapping.records[row.kind]
        values: dict[str, Any] = {}
        for path in mapping.crm_paths:
            if column := _account_column(mapping, path):
                values[path] = self._accounts[row.account_id].values.get(column)
            else:
                values[path] = row.values.get(path, () if path.startswith("@") else None)
        return Record(row.kind, row.id, row.etag, row.modified_at, row.stage, values, row.stage_reason, row.lead_id)

    def _insert(self, kind: RecordKind, account_id: str, stage: StageChange) -> _Row:
        row = _Row(kind, self._new_id(), account_id, stage.stage, self._rules.label(stage, kind), self._clock())
        self._rows[row.id] = row
        return row

    def _write(self, row: _Row, values: Mapping[str, Any], stage: StageChange | None = None) -> None:
        mapping = self._mapping.records[row.kind]
        for path, value in values.items():
            if column := _account_column(mapping, path):
                self._accounts[row.account_id].values[column] = value
            elif path == "@team" and not value:
                continue  # nobody of the team is a user of the CRM: the owner stays
            else:
                row.values[path] = value
        self._rules.round_money(mapping, row.values)
        if stage:
            row.stage, row.stage_reason = stage.stage, self._rules.label(stage, row.kind)
        if "@solutions" in values:
            self.solutions.replace(row.id, row.values["@solutions"])
        row.version, row.modified_at = self._next_version(), self._clock()

    def _next_version(self) -> int:
        self._version += 1
        return self._version


def _account_column(mapping: RecordMapping, path: str) -> str | None:
    if mapping.account is None:
        return None
    lookup, _, column = path.rpartition(".")
    return column if lookup == mapping.account.lookup else None


def _raise(error: ConnectorError | None) -> None:
    if error is not None:
        raise error
