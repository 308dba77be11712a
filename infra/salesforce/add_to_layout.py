"""Adds the co-sell section and the list of solutions to page layouts retrieved from an org.

An org takes a layout only as a whole, so that a finished one would wipe out what is on yours. This adds to yours, and
changes nothing else in the file. What is on the layout already stays where it is; a second run finds nothing to do.

    python infra/salesforce/add_to_layout.py "mine/layouts/Opportunity-Opportunity Layout.layout-meta.xml"
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

SECTION = "Microsoft co-sell"
# Left and right column: field, and what a seller may do with it.
Columns = tuple[tuple[tuple[str, str], ...], ...]
_OPPORTUNITY: Columns = (
    (
        ("Sync_With_Partner_Center__c", "Edit"),
        ("How_can_Microsoft_help__c", "Edit"),
        ("Referral_Visibility__c", "Edit"),
        ("Audit__c", "Readonly"),
    ),
    (
        ("Referral_Link__c", "Readonly"),
        ("Referral_Identifier__c", "Readonly"),
        ("Microsoft_CRM_Identifier__c", "Readonly"),
        ("Referral_Program__c", "Readonly"),
    ),
)
_LEAD: Columns = (
    (("Sync_With_Partner_Center__c", "Edit"), ("Audit__c", "Readonly")),
    (("Referral_Link__c", "Readonly"), ("Referral_Identifier__c", "Readonly"), ("Referral_Program__c", "Readonly")),
)
SECTIONS = {"Opportunity": _OPPORTUNITY, "Lead": _LEAD}
RELATED_LISTS = {"Opportunity": "Microsoft_Solutions__c.Opportunity__c"}
_RELATED_COLUMNS = ("NAME", "Solution__c", "Quantity__c", "Price__c")

# What follows the related lists: https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/meta_layouts.htm
_AFTER_RELATED_LISTS = re.compile(
    r"^[ \t]*<(?:relatedObjects|runAssignmentRulesDefault|show[A-Z]\w*|summaryLayout)>|^</Layout>", re.MULTILINE
)


class NotALayoutError(Exception):
    """The file is no layout that something can be added to; the text says why."""


def with_co_sell(layout: str, sobject: str) -> str:
    """``layout`` with the section and the related list of ``sobject`` where they are missing, else as it was."""
    if sobject not in SECTIONS:
        raise NotALayoutError(f"a layout of {' or '.join(SECTIONS)} is needed, this one is of {sobject}")
    first_section = re.search(r"</layoutSections>[ \t]*\r?\n", layout)
    if first_section is None:
        raise NotALayoutError("there is no <layoutSections> with a line of its own in it")
    section = _section(layout, SECTIONS[sobject])
    layout = layout[: first_section.end()] + section + layout[first_section.end() :]
    related = RELATED_LISTS.get(sobject)
    if related is None or f"<relatedList>{related}</relatedList>" in layout:
        return layout
    return _with_related_list(layout, related)


def _section(layout: str, columns: Columns) -> str:
    missing = [
        [(field, behavior) for field, behavior in column if f"<field>{field}</field>" not in layout]
        for column in columns
    ]
    if not any(missing):
        return ""
    items = [
        "".join(
            f"            <layoutItems>\n                <behavior>{behavior}</behavior>\n"
            f"                <field>{field}</field>\n            </layoutItems>\n"
            for field, behavior in column
        )
        for column in missing
    ]
    return (
        "    <layoutSections>\n        <customLabel>true</customLabel>\n        <detailHeading>true</detailHeading>\n"
        f"        <editHeading>true</editHeading>\n        <label>{SECTION}</label>\n"
        + "".join(f"        <layoutColumns>\n{column}        </layoutColumns>\n" for column in items)
        + "        <style>TwoColumnsLeftToRight</style>\n    </layoutSections>\n"
    )


def _with_related_list(layout: str, related: str) -> str:
    columns = "".join(f"        <fields>{column}</fields>\n" for column in _RELATED_COLUMNS)
    block = f"    <relatedLists>\n{columns}        <relatedList>{related}</relatedList>\n    </relatedLists>\n"
    following = _AFTER_RELATED_LISTS.search(layout)
    if following is None:
        raise NotALayoutError("it does not end with </Layout>")
    return layout[: following.start()] + block + layout[following.start() :]


def main() -> int:
    """Changes each file in place; 1 where one could not be, with the others done."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("layout", nargs="+", type=Path, help="a .layout-meta.xml file, as retrieved")
    failed = 0
    for file in arguments.parse_args().layout:
        try:
            before = file.read_bytes().decode()
            after = with_co_sell(before, file.name.partition("-")[0])
        except (NotALayoutError, OSError, UnicodeDecodeError) as error:
            print(f"{file.name}: not changed: {error}", file=sys.stderr)
            failed = 1
            continue
        if after != before:
            file.write_bytes(after.encode())
        print(f"{file.name}: {'section and list added' if after != before else 'all there already'}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
