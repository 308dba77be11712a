"""The kinds of values a setting may have, and what is said when it has another. No message repeats the value."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

APP_FOLDER = Path(__file__).parent.parent
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _yes_or_no(value: object) -> object:
    known = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if isinstance(value, str):
        if value.strip().lower() not in known:
            raise ValueError("it must be yes or no")
        return known[value.strip().lower()]
    return value


def _web_address(value: str, *, http_on_this_machine: bool = False) -> str:
    """Without a trailing slash. Plain http is refused: a bearer token sent over it could be read on the way."""
    try:
        address = urlsplit(value)
    except ValueError:  # its text repeats the address
        raise ValueError("it is not an address") from None
    if not address.hostname or address.query or address.fragment or address.username is not None:
        raise ValueError("it must be an address like https://host/path, without a user name, ? or #")
    is_allowed_http = http_on_this_machine and address.scheme == "http" and address.hostname in _LOOPBACK
    if address.scheme != "https" and not is_allowed_http:
        raise ValueError("it must start with https://")
    return value.rstrip("/")


def _public_address(value: str) -> str:
    return _web_address(value, http_on_this_machine=True)


def public_address_of(host: str) -> str:
    """The address of the host that Azure, or Core Tools on a developer's machine, says this app has."""
    is_this_machine = urlsplit(f"//{host}").hostname in _LOOPBACK
    return f"{'http' if is_this_machine else 'https'}://{host}"


def _schedule(value: str) -> str:
    """Only the shape; the Functions host reads the rest.

    https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
    """
    if not re.fullmatch(r"[0-9A-Za-z*/,-]+( +[0-9A-Za-z*/,-]+){5}", value):
        raise ValueError("it must have six fields: second minute hour day month weekday")
    return value


def _hosts(value: object) -> object:
    if not isinstance(value, str):
        return value
    hosts = tuple(host.strip().lower() for host in value.split(",") if host.strip())
    if not hosts or not all(re.fullmatch(r"[a-z0-9.-]+(:[0-9]+)?", host) for host in hosts):
        raise ValueError("it must be host names with commas between them, without https://")
    return hosts


def _pem(value: SecretStr) -> SecretStr:
    """One-line settings often hold a key with its line ends written as backslash and n."""
    text = value.get_secret_value().replace("\\n", "\n")
    if "-----BEGIN" not in text or "PRIVATE KEY-----" not in text:
        raise ValueError("it must be a private key in PEM form")
    return SecretStr(text)


def _in_app_folder(value: Path) -> Path:
    return value if value.is_absolute() else APP_FOLDER / value


def _present_file(value: Path) -> Path:
    value = _in_app_folder(value)
    if not value.is_file():
        raise ValueError("it names a file that is not there")
    return value


YesNo = Annotated[bool, BeforeValidator(_yes_or_no)]
HttpsUrl = Annotated[str, AfterValidator(_web_address)]
PublicUrl = Annotated[str, AfterValidator(_public_address)]
Schedule = Annotated[str, AfterValidator(_schedule)]
Hosts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_hosts)]
PrivateKey = Annotated[SecretStr, AfterValidator(_pem)]
AppPath = Annotated[Path, AfterValidator(_in_app_folder)]
PresentFile = Annotated[Path, AfterValidator(_present_file)]
