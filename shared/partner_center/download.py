"""Downloads certificates from hosts that may be slow, down or not what they seem."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from shared.domain.errors import Forged, RetryLater

if TYPE_CHECKING:
    import requests

_SIZE_LIMIT_BYTES = 1024 * 1024


def download(url: str, what: str, deadline: float) -> bytes:
    """The body at ``url``, 1 MiB at most, all of it there by ``deadline`` (of ``time.monotonic``).

    Whether ``url`` may be called at all is the caller's to check; a redirect is an answer like any other and not
    followed. ``what`` is the name of the file in errors. Raises ``RetryLater`` if the host is away, busy or slow, and
    ``Forged`` for an answer that a later try would not change.
    """
    import requests
    from urllib3.exceptions import HTTPError

    time_left_s = deadline - time.monotonic()
    if time_left_s <= 0:
        raise _outage(what, "did not answer in time")
    try:
        with (
            requests.Session() as session,
            session.get(
                url,
                stream=True,
                allow_redirects=False,
                timeout=time_left_s,
                headers={"Accept-Encoding": "identity"},
                # Keeps the machine's .netrc out of it.
                auth=lambda prepared: prepared,
            ) as response,
        ):
            if response.status_code == 429 or response.status_code >= 500:
                raise _outage(what, f"answered {response.status_code}")
            if response.status_code != 200:
                raise Forged(
                    f"The address of {what} leads to no file (HTTP {response.status_code})", code="certificate_missing"
                )
            return _read(response, what, deadline)
    except (requests.RequestException, HTTPError) as problem:
        raise _outage(what, f"could not be reached ({type(problem).__name__})") from None


def _read(response: requests.Response, what: str, deadline: float) -> bytes:
    body = b""
    # read1 returns with what has come: reading whole chunks of a trickle would go on long after the deadline.
    while chunk := response.raw.read1(16 * 1024):
        body += chunk
        if len(body) > _SIZE_LIMIT_BYTES:
            raise Forged(f"The file of {what} is too large", code="certificate_malformed")
        if time.monotonic() > deadline:
            raise _outage(what, "did not answer in time")
    return body


def _outage(what: str, did: str) -> RetryLater:
    return RetryLater(
        f"The host of {what} {did}",
        code="certificate_host",
        remedy="Partner Center sends the event again; if this goes on, check that the app may reach that host.",
        service="Partner Center",
    )
