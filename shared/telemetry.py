"""The log as data: one line per outcome, a sentence for people and then one JSON object for queries.

``sync: referral 0f3c...: Created the opportunity. | {"outcome":"succeeded","subject_id":"0f3c...","age_s":1.2}``

All of it is in the message's text, because that is what reaches Application Insights whichever way the Functions host
is set: the host passes on the text of what a Python worker logs and drops ``extra`` (azure-functions-python-worker,
issues 788 and 1681), with ``"telemetryMode": "OpenTelemetry"`` in host.json as without. An exporter in the worker
itself (azure-monitor-opentelemetry) would keep attributes, at the price of 0.7 s and 36 MiB for every cold start.

``infra/queries`` holds the queries; docs/operations.md lists events and fields.
"""

from __future__ import annotations

import json
import logging
import unicodedata
from collections.abc import Mapping, Sequence
from enum import StrEnum

from shared.answers import masked
from shared.correlation import correlation_id

SEPARATOR = " | "
"""Between sentence and fields; the sentence never holds it."""
SENTENCE_LIMIT_CHARS = 1_000

Field = str | int | float | None | Sequence[Mapping[str, str | int]]


class Event(StrEnum):
    """What a line tells of; it is the line's first word."""

    SYNC = "sync"
    """A queue message was worked off."""
    POLL = "poll"
    """A timer has looked for something to do, found or not."""
    WEBHOOK = "webhook"
    """Partner Center, or a stranger, has called the webhook."""
    CALL = "call"
    """A request to a service was refused, not answered, or slow."""
    SIGN_IN = "sign_in"
    """No token could be had, or the one that was had is refused."""
    BACKLOG = "backlog"
    """How much waits in the queues, and for how long."""


def tell(logger: logging.Logger, level: int, event: Event, sentence: str, **fields: Field) -> None:
    """One line is in the log. Fields that are ``None`` or empty are left out; the context's correlation id is added."""
    if logger.isEnabledFor(level):
        logger.log(level, "%s", line(event, sentence, {"correlation_id": correlation_id.get(), **fields}))


def line(event: Event, sentence: str, fields: Mapping[str, Field]) -> str:
    """The text of one line, whatever ``sentence`` and ``fields`` hold: nothing in them starts a line of its own,
    passes for a field, or shows an e-mail address."""
    said = {name: _shown(value) for name, value in fields.items() if value not in (None, "", [], ())}
    return f"{event}: {_one_line(sentence)}{SEPARATOR}{json.dumps(said, separators=(',', ':'), default=str)}"


def _shown(value: Field) -> Field:
    return masked(value) if isinstance(value, str) else value


def _one_line(sentence: str) -> str:
    """``Cc`` are control characters, ``Zl`` and ``Zp`` Unicode's own line and paragraph ends."""
    plain = "".join(" " if unicodedata.category(one) in ("Cc", "Zl", "Zp") else one for one in sentence)
    short = masked(" ".join(plain.split()).replace("|", "/"))
    return short if len(short) <= SENTENCE_LIMIT_CHARS else f"{short[: SENTENCE_LIMIT_CHARS - 1]}…"
