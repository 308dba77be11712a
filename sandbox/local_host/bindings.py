"""What the host makes of values and texts between a function and the outside. Pure: no I/O, no clock."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from croniter import croniter


def queue_messages(value: str | bytes, *, is_json: bool = False) -> list[bytes]:
    """The messages that one queue output becomes, byte for byte as the host puts them into the queue.

    Bytes stay as they are. Text that looks like JSON is parsed and written again: an object comes out indented, an
    array becomes one message per element. ``is_json`` marks what the worker itself encoded (lists and QueueMessage
    objects). Text that looks like JSON and is not raises ValueError, which fails the invocation as it does in Azure.
    """
    # FunctionBinding.ReadAsEnumerable and BindAsyncCollectorAsync in Azure/azure-functions-host (read 2026-11).
    if isinstance(value, bytes):
        return [value]
    text = value.strip()
    looks_like_json = (text[:1], text[-1:]) in {("{", "}"), ("[", "]")}
    if not looks_like_json and not is_json:
        return [value.encode()]
    token = json.loads(value)
    return [_token_text(element).encode() for element in (token if isinstance(token, list) else [token])]


def _token_text(token: Any) -> str:
    """As Json.NET's ``JToken.ToString()``: objects and arrays indented, null empty, booleans capitalised."""
    if isinstance(token, str):
        return token
    if token is None:
        return ""
    if isinstance(token, bool):
        return str(token)
    return json.dumps(token, indent=2, ensure_ascii=False)


def parse_timespan(text: str) -> float:
    """Seconds of a .NET TimeSpan as host.json has it, ``[d.]hh:mm:ss[.fff]``; ValueError if it is not one."""
    match = re.fullmatch(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2}(?:\.\d{1,7})?)", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a time span [d.]hh:mm:ss")
    days, hours, minutes, seconds = match.groups()
    return timedelta(
        days=int(days or 0), hours=int(hours), minutes=int(minutes), seconds=float(seconds)
    ).total_seconds()


def expand_settings(text: str, settings: Mapping[str, str]) -> str:
    """``text`` with each ``%NAME%`` replaced by that app setting; ValueError names the setting that is missing."""

    def value_of(match: re.Match[str]) -> str:
        try:
            return settings[match[1]]
        except KeyError:
            raise ValueError(f"{text!r} names the app setting {match[1]}, which is not set") from None

    return re.sub(r"%([^%]+)%", value_of, text)


@dataclass(frozen=True)
class Schedule:
    """An NCRONTAB schedule in UTC: five fields, or six with the seconds first."""

    expression: str

    def __post_init__(self) -> None:
        # croniter also takes a seventh field (the year), which NCRONTAB does not know.
        if len(self.expression.split()) not in (5, 6):
            raise ValueError(f"schedule {self.expression!r} has to have 5 or 6 fields")
        try:
            croniter.expand(self.expression, second_at_beginning=True)
        except ValueError as problem:
            raise ValueError(f"schedule {self.expression!r}: {problem}") from None

    def next_after(self, moment: datetime) -> datetime:
        """The first tick strictly after ``moment``."""
        # Unlike cron, NCRONTAB wants day of month and day of week to match both.
        ticks = croniter(self.expression, moment, second_at_beginning=True, day_or=False)
        following: datetime = ticks.get_next(datetime)
        return following

    def is_monitored(self, moment: datetime) -> bool:
        """Whether its status is kept in storage: not for schedules finer than a minute (useMonitor)."""
        first = self.next_after(moment)
        for _ in range(4):
            second = self.next_after(first)
            if second - first < timedelta(minutes=1):
                return False
            first = second
        return True


# Route constraints of ASP.NET Core that make sense in a path of this app; others are refused rather than misread.
_CONSTRAINTS = {
    "int": r"-?\d+",
    "long": r"-?\d+",
    "alpha": r"[A-Za-z]+",
    "bool": r"true|false",
    "guid": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
}
_LITERAL, _CONSTRAINED, _PARAMETER, _CATCH_ALL = range(4)


@dataclass(frozen=True)
class Route:
    """An ASP.NET Core route template. ``precedence`` sorts routes: the smaller one is asked first."""

    template: str
    pattern: re.Pattern[str]
    precedence: tuple[int, ...]

    def match(self, path: str) -> dict[str, str] | None:
        """The route's parameters in ``path`` (no slash at either end), or None if it is not this route's path."""
        found = self.pattern.fullmatch(path)
        return None if found is None else {name: value for name, value in found.groupdict().items() if value}


def parse_route(template: str) -> Route:
    """The route of a template such as ``runs/{run_id:guid}`` or ``files/{*path}``; ValueError if it cannot be read."""
    pattern, precedence = "", []
    for position, segment in enumerate(template.strip("/").split("/")):
        slash = "/" if position else ""
        parameter = re.fullmatch(r"\{(\*{0,2})([A-Za-z_]\w*)(?::(\w+))?(\?)?\}", segment)
        if parameter is None:
            if "{" in segment or "}" in segment:
                raise ValueError(f"route {template!r}: {segment!r} is not a template this host can read")
            pattern += slash + re.escape(segment)
            precedence.append(_LITERAL)
            continue
        stars, name, constraint, optional = parameter.groups()
        if constraint is not None and constraint not in _CONSTRAINTS:
            raise ValueError(f"route {template!r}: constraint {constraint!r} is not supported")
        if stars:
            pattern += f"(?:{slash}(?P<{name}>.*))?"
            precedence.append(_CATCH_ALL)
        else:
            group = f"(?P<{name}>{_CONSTRAINTS[constraint] if constraint else '[^/]+'})"
            pattern += f"(?:{slash}{group})?" if optional else slash + group
            precedence.append(_CONSTRAINED if constraint else _PARAMETER)
    return Route(template, re.compile(pattern, re.IGNORECASE), tuple(precedence))
