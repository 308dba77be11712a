"""``migrate``: from Microsoft's connector to this one, and back."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from getpass import getpass
from pathlib import Path
from typing import Any

from cosell.asking import add_asking, agreed, must_be_answerable
from cosell.commands import UsageError
from cosell.migration_report import (
    deals,
    done_text,
    flows_text,
    flows_that_listen,
    flows_that_write,
    report_document,
    report_text,
)
from cosell.progress import Progress
from cosell.spending import spending
from cosell.webhook_handover import give_back, own_address, points_here, read_kept, take_over
from shared.connector import Connector, build_connector
from shared.domain.adopt import Choice
from shared.partner_center.registration import Registration
from shared.settings import load_settings
from shared.sync.adopt import Adopted, Survey, adopt_all, survey

KEPT_FILE = Path("webhook-before-migration.json")
_DESCRIPTION = """
Takes over what Microsoft's connector (Power Automate) keeps in step. First it only reads: every CRM record that names a
referral, and every referral. It pairs them and shows what differs and whose value the first sync will use. After a yes
it remembers the pairs; neither Partner Center nor the CRM is written to. After another yes it registers this app's
webhook in place of Microsoft's flow, and keeps what was registered in a file, for the way back. May be repeated: what
was taken over is passed over. See docs/migrate.md for the order of steps.
"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    migrate = commands.add_parser(
        "migrate",
        parents=[common],
        help="take over what Microsoft's connector has linked, and its webhook; or go back",
        description=_DESCRIPTION,
    )
    migrate.add_argument(
        "--differences",
        type=Choice,
        choices=list(Choice),
        default=Choice.POLICY,
        metavar="|".join(Choice),
        help="whose value the first sync uses where both sides differ: each field's own policy, which is the newest "
        "unless customized (default), always one side's, or leave both as they are until somebody edits the field",
    )
    migrate.add_argument("--links-only", action="store_true", help="leave the webhook with Microsoft's flow for now")
    migrate.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="holds the function key of partner_center_to_crm; asked for at a terminal otherwise",
    )
    migrate.add_argument(
        "--keep",
        type=Path,
        default=KEPT_FILE,
        metavar="FILE",
        help="where the webhook's registration is kept for the way back (default %(default)s); it holds a secret",
    )
    migrate.add_argument(
        "--back", action="store_true", help="give the webhook back to Microsoft's flow, as kept in the file of --keep"
    )
    add_asking(migrate)
    migrate.set_defaults(run=run)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    must_be_answerable(options)
    connector = build_connector(load_settings(environ))
    with spending(connector.budget):
        return _go_back(options, connector) if options.back else _Migration(options, connector).run()


@dataclass(frozen=True)
class _Migration:
    """One run: the report, then the links, then the webhook, the last two after a yes each."""

    options: argparse.Namespace
    connector: Connector

    def run(self) -> int:
        crm = self.connector.crm.name
        # Whatever could keep the webhook from being taken over is said before anything is read or written.
        present = None if self.options.links_only else self.connector.registration.get()
        if not (self.options.links_only or self.options.dry_run):
            own_address(self.connector.settings.public_url)
            self._must_have_key(present)
        found = self._survey()
        document: dict[str, Any] = {**report_document(found, crm), "adopted": 0, "webhook": None}
        self._say(report_text(found, crm))
        done = self._adopt(found)
        has_failed = any(one.link is None for one in found.candidates)
        if done is not None:
            document |= {"adopted": done.adopted, "busy": done.busy, "refused": list(done.refused)}
            self._say(f"\n{done_text(done)}")
            has_failed = has_failed or done.busy > 0 or bool(done.refused)
        elif not self.options.dry_run:
            self._say("Nothing was written.")
            return 1
        if not self.options.links_only:
            webhook, is_refused = self._take_webhook_over(present)
            document["webhook"], has_failed = webhook, has_failed or is_refused
        if self.options.json:
            print(json.dumps(document, indent=2))
        return 1 if has_failed else 0

    def _survey(self) -> Survey:
        connector = self.connector
        links = connector.links.all()
        return survey(connector.sides, connector.record_kinds, links, Progress(), time.sleep, self.options.differences)

    def _adopt(self, found: Survey) -> Adopted | None:
        """``None`` when nothing may be written."""
        count = sum(1 for one in found.candidates if one.link is not None)
        flows = flows_that_write(self.connector.crm.name)
        if count:
            when = "\nBefore the deals are taken over, turn these flows off, in this order, as far as you have them:"
            self._say(flows_text(flows, when))
        if self.options.dry_run:
            self._say("\nA dry run: nothing was written.")
            return None
        if count == 0:
            return Adopted(0, 0, ())
        if not agreed(self.options, f"\nTake {deals(count)} over? Neither side is written to."):
            return None
        return adopt_all(self.connector.sides, found.candidates, Progress())

    def _take_webhook_over(self, present: Registration | None) -> tuple[dict[str, Any], bool]:
        """What is registered, and whether the answer was no."""
        registration, public_url = self.connector.registration, self.connector.settings.public_url
        is_ours = points_here(present, public_url)
        registered = "nowhere" if present is None else present.address
        self._say(f"\nPartner Center sends this tenant's webhooks to: {registered}{' (this app)' if is_ours else ''}")
        shown = {"before": present and present.address, "points_here": is_ours, "taken_over": False}
        if is_ours or self.options.dry_run:
            return shown, False
        if self.connector.settings.dry_run:
            self._say("DRY_RUN is yes: once the webhook comes here, nobody syncs until you set it to no.")
        address = own_address(public_url)
        if not agreed(
            self.options, f"Send them to {address} from now on? The old address is kept in {self.options.keep}."
        ):
            self._say("The webhook was left where it is. Run this again to take it over.")
            return shown, True
        answer = take_over(registration, present, str(public_url), self._key(), self.options.keep)
        self._say(f"Taken over: {answer['address']} for {', '.join(answer['events'])}.")
        self._say(flows_text(flows_that_listen(self.connector.crm.name), "Now turn these flows off, too:"))
        return {**shown, "points_here": True, "taken_over": True, "kept_in": str(self.options.keep)}, False

    def _must_have_key(self, present: Registration | None) -> None:
        if points_here(present, self.connector.settings.public_url):
            return
        if self.options.key_file is None and not sys.stdin.isatty():
            raise UsageError("Name the file of the function key with --key-file, or add --links-only.")
        if self.options.key_file is not None:
            self._key()

    def _key(self) -> str:
        file: Path | None = self.options.key_file
        if file is None:
            key = getpass("Function key of partner_center_to_crm (it is not shown): ").strip()
        else:
            try:
                key = file.read_text(encoding="utf-8").strip()
            except OSError as problem:
                raise UsageError(f"{file} cannot be read: {problem.strerror}.") from None
        if not key:
            raise UsageError("There is no function key: az functionapp function keys list shows it.")
        return key

    def _say(self, text: str) -> None:
        if not self.options.json:
            print(text)


def _go_back(options: argparse.Namespace, connector: Connector) -> int:
    """The webhook is Microsoft's flow's again. The CRM's columns are the same for both, so nothing else goes back."""
    kept = read_kept(options.keep)
    crm = connector.crm.name
    present = connector.registration.get()
    is_back = present is not None and (present.url, set(present.events)) == (kept.url, set(kept.events))
    document = {"now": present and present.address, "back_to": kept.address, "given_back": False}
    if not options.json:
        print(f"Partner Center sends this tenant's webhooks to: {present.address if present else 'nowhere'}")
        print(f"They went to {kept.address} for {', '.join(kept.events)}.")
        print(_BEFORE_GOING_BACK)
        print(flows_text([*flows_that_listen(crm)[::-1], *flows_that_write(crm)[::-1]], "Turn on, in this order:"))
    if is_back or options.dry_run:
        _tell(options, document, "They go there already." if is_back else "A dry run: nothing was written.")
        return 0
    if not agreed(options, "Send them there again?"):
        _tell(options, document, "Nothing was written.")
        return 1
    give_back(connector.registration, kept)
    _tell(options, {**document, "given_back": True}, "Done: Microsoft's flow has the webhook again.")
    return 0


_BEFORE_GOING_BACK = "Stop this app first, or set DRY_RUN to yes: two connectors must not write at a time."


def _tell(options: argparse.Namespace, document: Mapping[str, Any], text: str) -> None:
    print(json.dumps(document, indent=2) if options.json else text)
