"""What both hosts of Partner Center mean by their refusals. Pure.

https://learn.microsoft.com/partner-center/developer/error-codes and .../api-throttling-guidance
"""

from __future__ import annotations

from shared.answers import Response, ServiceError, line, odata_error, parsed_or_none

SERVICE = "Partner Center"
CORRELATION_HEADER = "MS-CorrelationId"


def partner_center_error(response: Response) -> ServiceError:
    """Reads the three documented shapes; the casing of names varies between pages and hosts.

    Referrals host: ``{"error": {"code", "message", "target", "innerError"}}``; webhook host: ``{"code",
    "description"}``; throttled, on either: ``{"statusCode", "message"}``.
    """
    said = odata_error(response)
    if said.code or said.message:
        return said
    body = parsed_or_none(response.body)
    if not isinstance(body, dict):
        return ServiceError()
    named = {str(name).lower(): value for name, value in body.items()}
    if isinstance(named.get("error"), dict):
        error = {str(name).lower(): value for name, value in named["error"].items()}
        return ServiceError(line(error, "code"), line(error, "message"), line(error, "target"))
    return ServiceError(line(named, "code"), line(named, "description") or line(named, "message"))
