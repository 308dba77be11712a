"""The words of SOQL, and what its string literals mean.

https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_quotedstringescapes.htm
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sandbox.salesforce import errors

_LONGEST_LITERAL = 4_000
_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<moment>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?(?:Z|[+-]\d{2}:?\d{2}))
      | (?P<date>\d{4}-\d{2}-\d{2})(?![\dT])
      | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+))(?![\w.])
      | (?P<string>'(?:[^'\\\n\r]|\\.)*')
      | (?P<relative>(?:LAST|NEXT)_N_DAYS:\d+)
      | (?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
      | (?P<operator><=|>=|!=|<>|=|<|>)
      | (?P<punctuation>[(),])""",
    re.VERBOSE | re.IGNORECASE,
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\"}


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    position: int

    @property
    def word(self) -> str:
        """The token as a keyword; keywords have no case."""
        return self.text.upper() if self.kind == "name" else ""


def tokenise(text: str) -> list[Token]:
    tokens, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise errors.malformed_query(f"line 1:{position} no viable alternative at character '{text[position]}'")
        if match.lastgroup != "space":
            tokens.append(Token(match.lastgroup, match.group(), position))
        position = match.end()
    return tokens


def unquoted(text: str, *, like: bool) -> str:
    """The literal's value. In a LIKE pattern an escaped wildcard, and an escaped backslash, keep their backslash."""

    def replaced(match: re.Match[str]) -> str:
        escape = match.group(1)
        if like and escape in {"%", "_", "\\"}:
            return "\\" + escape
        if escape.startswith("u") and len(escape) > 1:
            return chr(int(escape[1:], 16))
        if escape not in _ESCAPES:
            raise errors.malformed_query(f"Invalid string literal {text}. Illegal character sequence '\\{escape}'")
        return _ESCAPES[escape]

    if len(text) > _LONGEST_LITERAL:
        raise errors.malformed_query("String literals cannot be longer than 4000 characters.")
    return _ESCAPE.sub(replaced, text[1:-1])
