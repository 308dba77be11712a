"""Takes the tenant's one webhook registration over from Microsoft's flow, and gives it back.

The address of a flow holds a signature that lets anybody start it, so it is kept in a file that only its owner can
read, and is never shown. https://learn.microsoft.com/azure/logic-apps/logic-apps-securing-a-logic-app#sas
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.domain.errors import ConfigurationError, Rejected
from shared.following import Patience
from shared.partner_center.registration import Registration, WebhookRegistration
from shared.registering import PATH, register_or_test

OWNER_ONLY = 0o600


@dataclass(frozen=True)
class Kept:
    """A registration as it was before it was taken over. ``url`` holds a secret: show ``address``."""

    url: str = field(repr=False)
    events: tuple[str, ...]

    @property
    def address(self) -> str:
        return Registration(self.url, self.events).address


def points_here(present: Registration | None, public_url: str | None) -> bool:
    return present is not None and public_url is not None and present.address == f"{public_url.rstrip('/')}{PATH}"


def own_address(public_url: str | None) -> str:
    """Where Partner Center is to send the webhooks. Raises ``ConfigurationError`` where the settings do not say."""
    if public_url is None:
        raise ConfigurationError(
            "The webhook was not taken over: the app's own address is not known",
            code="public_url",
            remedy="Set PUBLIC_URL to it and run the same again, or add --links-only.",
        )
    return f"{public_url.rstrip('/')}{PATH}"


def take_over(
    registration: WebhookRegistration, present: Registration | None, public_url: str, key: str, file: Path
) -> dict[str, Any]:
    """Webhooks come to this app from now on; what was registered before is in ``file``. The answer shows what is now.

    Nothing is registered when the old registration cannot be kept.
    """
    if present is not None:
        keep(Kept(present.url, present.events), file)
    body = json.dumps({"key": key, "overwrite": True}).encode()
    return register_or_test(registration, public_url, body, Patience())


def give_back(registration: WebhookRegistration, kept: Kept) -> Registration:
    """Partner Center sends the webhooks where it sent them before, the same events and no others."""
    return registration.register(kept.url, kept.events, overwrite=True, keep_others=False)


def keep(kept: Kept, file: Path) -> None:
    """``file`` holds the registration. Raises ``Rejected`` if it holds another one already: that is not lost."""
    text = json.dumps({"url": kept.url, "events": list(kept.events)}, indent=2)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    except FileExistsError:
        if read_kept(file) == kept:
            return
        raise Rejected(
            f"{file} keeps another registration, of {read_kept(file).address}; the webhook was not taken over",
            code="kept_already",
            remedy="Name another file with --keep.",
        ) from None
    except OSError as problem:
        raise Rejected(
            f"{file} cannot be written ({problem.strerror}); the webhook was not taken over",
            code="not_kept",
            remedy="Name another file with --keep: without it nobody could go back.",
        ) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)


def read_kept(file: Path) -> Kept:
    """Raises ``Rejected`` for a file that keeps no registration; its text appears in no error."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        url, events = document["url"], document["events"]
        if not isinstance(url, str) or not isinstance(events, list):
            raise TypeError("not a registration")
        return Kept(url, tuple(str(name) for name in events))
    except (OSError, ValueError, TypeError, KeyError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else "it is not what migrate writes"
        raise Rejected(
            f"{file} does not tell what was registered before: {why}",
            code="not_kept",
            remedy="Name the file that migrate kept with --keep. Without it, run Microsoft's flow Partner Center "
            "Webhook Registration again, which registers its own address.",
        ) from None
