"""What stands in the org from the start: people, currencies, stages, lead statuses; the same ids in every org."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sandbox.salesforce.rows import Row
from sandbox.salesforce.schema import document
from sandbox.salesforce.values import Value
from sandbox.salesforce.writes import Writer

INTEGRATION_USERNAME = "co-sell-connector@contoso.example"
SELLER_USERNAME = "alex.kim@contoso.example"
_PEOPLE = (
    ("Co-sell", "Connector", INTEGRATION_USERNAME, True),
    ("Alex", "Kim", SELLER_USERNAME, True),
    ("Dana", "Reyes", "dana.reyes@contoso.example", True),
    ("Sam", "Okafor", "sam.okafor@contoso.example", True),
    ("Robin", "Former", "robin.former@contoso.example", False),
)
_CATALOGUE = (
    ("Contoso Supply Chain", "SOL-41001", "IP", "Contoso"),
    ("Contoso Field Service", "SOL-41002", "IP", "Contoso"),
    ("Azure Migration", "000001", "1P", "Microsoft"),
)


def seed(writer: Writer, extra_stages: Sequence[str]) -> None:
    """Into empty rows. ``extra_stages`` are open stages that an administrator added, behind the open stock ones."""
    people(writer)
    insert(writer, "Organization", Name="Contoso", OrganizationType="Developer Edition")
    if "CurrencyType" in writer.rows.schema.objects:
        for one in document()["currencies"]:
            insert(
                writer,
                "CurrencyType",
                IsoCode=one["code"],
                ConversionRate=Decimal(one["rate"]),
                DecimalPlaces=one["places"],
                IsActive=one.get("active", True),
                IsCorporate=one.get("corporate", False),
            )
    add_stages(writer, extra_stages)
    for order, one in enumerate(document()["lead_statuses"], 1):
        insert(
            writer,
            "LeadStatus",
            ApiName=one["name"],
            MasterLabel=one["name"],
            IsConverted=one.get("converted", False),
            IsDefault=one.get("default", False),
            SortOrder=order,
        )
    for name, identifier, kind, publisher in _CATALOGUE:
        insert(
            writer,
            "Microsoft_Solution_Detail__c",
            Name=name,
            Solution_Identifier__c=identifier,
            Type__c=kind,
            Publisher_Name__c=publisher,
        )


def people(writer: Writer) -> None:
    """The first of them, whom the writer writes for from then on, is the connector's own user."""
    for first, last, username, is_active in _PEOPLE:
        user = insert(
            writer,
            "User",
            FirstName=first,
            LastName=last,
            Username=username,
            Email=username,
            Alias=last[:8].lower(),
            IsActive=is_active,
        )
        if not writer.user_id:
            writer.user_id = user.id
            writer.rows.derive(user, {"CreatedById": user.id, "LastModifiedById": user.id})


def add_stages(writer: Writer, extra: Sequence[str]) -> None:
    stock: list[dict[str, Any]] = document()["stages"]
    added = [{"name": name, "probability": 10} for name in extra]
    opened = [one for one in stock if not one.get("closed")]
    closed = [one for one in stock if one.get("closed")]
    for order, one in enumerate([*opened, *added, *closed], 1):
        forecast = one.get("forecast", "Pipeline")
        insert(
            writer,
            "OpportunityStage",
            ApiName=one["name"],
            MasterLabel=one["name"],
            DefaultProbability=Decimal(one["probability"]),
            ForecastCategory=forecast,
            ForecastCategoryName=forecast,
            IsClosed=one.get("closed", False),
            IsWon=one.get("won", False),
            SortOrder=order,
        )


def insert(writer: Writer, sobject: str, **values: Value) -> Row:
    return writer.insert(writer.rows.schema.objects[sobject], values)
