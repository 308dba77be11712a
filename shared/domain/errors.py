"""The connector's errors, told apart by what happens next.

::

    ConnectorError
    ├── RetryLater            a later try can mend it: the message waits and comes again
    │   ├── LockTaken         another worker has the deal right now; does not use up a try
    │   └── NotSent           the service asked to be left alone for a while; does not use up a try
    ├── VersionConflict       the other side changed since it was read: read again, plan again
    ├── Rejected              wrong data: a person must change a field, the deal waits
    ├── NotFound              the referral or record is not there, or not for our eyes
    ├── Forged                a webhook that Microsoft did not sign
    └── ConfigurationError    a setting, permission or column of the installation

None holds a payload, a token or a person's data: messages reach logs, the history page and the CRM's audit field.
"""

from __future__ import annotations


class ConnectorError(Exception):
    """``code`` is stable and short; ``message`` says what happened, ``remedy`` what to do next (may be empty).

    ``service`` names who answered ("Partner Center", "Dynamics 365", ...), ``request_id`` is that service's own id of
    the call, to quote to its support. ``status`` is the HTTP status, where there was one.
    """

    default_code = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        remedy: str = "",
        service: str = "",
        request_id: str = "",
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.remedy = remedy
        self.service = service
        self.request_id = request_id
        self.status = status

    def __str__(self) -> str:
        parts = [self.message if self.message.endswith((".", "!", "?")) else f"{self.message}."]
        if self.remedy:
            parts.append(self.remedy)
        details = [self.code]
        if self.request_id:
            details.append(f"{self.service} request {self.request_id}".strip())
        return f"{' '.join(parts)} [{', '.join(details)}]"


class RetryLater(ConnectorError):
    """The same work may succeed later. ``after_s`` is the wait the service asked for, if it did."""

    default_code = "retry_later"

    def __init__(
        self,
        message: str,
        *,
        after_s: float | None = None,
        code: str | None = None,
        remedy: str = "",
        service: str = "",
        request_id: str = "",
        status: int | None = None,
    ) -> None:
        super().__init__(message, code=code, remedy=remedy, service=service, request_id=request_id, status=status)
        self.after_s = after_s


class LockTaken(RetryLater):
    """Another worker holds the link; comes again soon and does not count as a try."""

    default_code = "lock_taken"


class NotSent(RetryLater):
    """The service asked to be left alone until ``after_s`` from now, and is: nothing was tried."""

    default_code = "not_sent"


class VersionConflict(ConnectorError):
    """HTTP 412: the version we wrote against is no longer the current one. Nothing was written."""

    default_code = "version_conflict"


class Rejected(ConnectorError):
    """Data that cannot be synced as it is. ``field`` is the name a person knows it by in the CRM or Partner Center."""

    default_code = "rejected"

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        code: str | None = None,
        remedy: str = "",
        service: str = "",
        request_id: str = "",
        status: int | None = None,
    ) -> None:
        super().__init__(message, code=code, remedy=remedy, service=service, request_id=request_id, status=status)
        self.field = field


class NotFound(ConnectorError):
    """The id names nothing that our credentials can see."""

    default_code = "not_found"


class Forged(ConnectorError):
    """A webhook whose signature, certificate or sender does not hold. ``http_status`` is the answer it deserves."""

    default_code = "forged"

    def __init__(self, message: str, *, code: str | None = None, http_status: int = 401) -> None:
        super().__init__(message, code=code)
        self.http_status = http_status


class ConfigurationError(ConnectorError):
    """The installation must be changed before this can work; the text lists everything that is wrong."""

    default_code = "configuration"
