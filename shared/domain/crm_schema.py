"""What a CRM lacks of the columns, tables and permissions that the connector needs, and who can mend it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from shared.domain.errors import ConnectorError


@dataclass(frozen=True)
class SchemaOptions:
    """What an administrator may choose; blank is the default, or nothing of the kind.

    ``folder`` holds what is to be installed. ``declaration`` is the text of the file that lists it, where the CRM has
    one, ``source`` its name. ``solution`` takes what is made, ``application_id`` is whose role it gets, ``target`` is
    the name by which a vendor's program knows the CRM. ``wait_s`` is how long to wait for what takes its time.
    ``unset`` is what the settings lack to reach the CRM.
    """

    folder: str
    declaration: str = ""
    source: str = ""
    solution: str = ""
    application_id: str = ""
    target: str = ""
    wait_s: float = 600.0
    unset: ConnectorError | None = None


@dataclass(frozen=True)
class SchemaDifference:
    """In words for a person. ``missing`` is what an installation makes, in its order; ``conflicts`` are in the way, and
    never altered; ``reused`` is there and somebody else's; ``building`` is made and not ready yet; ``by_hand`` is what
    only a person can do.

    ``commands`` install what is missing where :meth:`CrmSchema.install` cannot: programs with their arguments, to be
    run in ``folder``. ``unseen`` says why the CRM could not be looked at; blank, it was.
    """

    missing: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    reused: tuple[str, ...] = ()
    building: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    folder: str = ""
    unseen: str = ""

    @property
    def is_installed(self) -> bool:
        return not (self.missing or self.conflicts or self.building or self.unseen)


class CrmSchema(Protocol):
    """Every method may raise :class:`~shared.domain.errors.ConnectorError`."""

    @property
    def name(self) -> str:
        """The CRM's name as people write it."""
        ...

    def declared(self) -> tuple[str, ...]:
        """What the connector needs, one line each, whatever the CRM has. Asks nobody."""
        ...

    def difference(self) -> SchemaDifference:
        """Looks, and writes nothing."""
        ...

    def install(self, progress: Callable[[str], None]) -> SchemaDifference:
        """Makes what is missing, and answers with what is left. ``progress`` is told of every step.

        May be called again after any interruption: each step is taken only where a look just found it missing. Raises
        ``ConfigurationError``, and writes nothing, where something is in the way.
        """
        ...
