"""What a webhook call deserves: proof first, then sense, and nothing slow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from shared.domain.errors import Forged, Rejected, RetryLater
from shared.partner_center.event import BODY_LIMIT_BYTES, ReferralEvent, parse_event


class Verdict(StrEnum):
    """What became of a webhook call, for the log; ``UNPROVEN`` is sent again by Partner Center."""

    QUEUED = "queued"
    IGNORED = "ignored"
    FORGED = "forged"
    UNPROVEN = "unproven"
    MALFORMED = "malformed"


@dataclass(frozen=True)
class Receipt:
    """The HTTP answer, what is said of it in the log, and the event to queue, if there is one."""

    status: int
    text: str
    verdict: Verdict
    code: str = ""
    event: ReferralEvent | None = None


def receive(headers: Mapping[str, str], body: bytes, verify: Callable[[Mapping[str, str], bytes], None]) -> Receipt:
    """2xx only for a body that Microsoft signed; other events than a referral's are taken and ignored.

    413 over 64 KiB, 401 or 400 for a signature that does not hold, 503 when the certificate cannot be had just now
    (Partner Center repeats), 400 for a signed body that is no event.
    """
    if len(body) > BODY_LIMIT_BYTES:
        text = f"A webhook of {len(body)} bytes is over the limit of {BODY_LIMIT_BYTES}."
        return Receipt(413, text, Verdict.MALFORMED, "too_large")
    try:
        verify(headers, body)
        event = parse_event(body)
    except Forged as error:
        return Receipt(error.http_status, str(error), Verdict.FORGED, error.code)
    except RetryLater as error:
        return Receipt(503, str(error), Verdict.UNPROVEN, error.code)
    except Rejected as error:
        return Receipt(400, str(error), Verdict.MALFORMED, error.code)
    if event is None:
        return Receipt(202, "An event that is not about referrals: ignored.", Verdict.IGNORED)
    text = f"{event.name} of referral {event.referral_id} is queued."
    return Receipt(202, text, Verdict.QUEUED, event=event)
