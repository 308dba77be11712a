"""What the org does of itself after a row is saved or deleted: Salesforce's automation, and the package's trigger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.salesforce.rows import Row, Rows
from sandbox.salesforce.rules import settle_amount
from sandbox.salesforce.schema import SObject
from sandbox.salesforce.values import Value

if TYPE_CHECKING:
    from sandbox.salesforce.writes import Writer

SYNC_FIELD = "Sync_With_Partner_Center__c"
SOLUTIONS = "Microsoft_Solutions__c"


@dataclass
class Automation:
    """``package_trigger``: Microsoft's trigger on solutions counts them on the opportunity, and unticks
    *Sync with Partner Center* where none is left."""

    rows: Rows
    package_trigger: bool = True

    def default_values(self, sobject: SObject, values: dict[str, Value]) -> None:
        if sobject.name == "Lead" and values["Status"] is None:
            values["Status"] = next(
                row.text("ApiName") for row in self.rows.of("LeadStatus") if row.values["IsDefault"]
            )
        if sobject.auto_number:
            values["Name"] = sobject.auto_number.format(len(self.rows.of(sobject.name, deleted=True)) + 1)
        elif "Name" in sobject.fields and sobject.is_custom and values["Name"] is None:
            # A custom object's row without a name is called by its id.
            values["Name"] = values["Id"]

    def same_team_member(self, sobject: SObject, sent: Mapping[str, Value]) -> Row | None:
        """To add a user to a team again updates the membership that is there.

        https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_opportunityteammember.htm
        """
        if sobject.name != "OpportunityTeamMember":
            return None
        pair = sent.get("OpportunityId"), sent.get("UserId")
        members = self.rows.of(sobject.name)
        return next((row for row in members if (row.values["OpportunityId"], row.values["UserId"]) == pair), None)

    def after_save(self, writer: Writer, row: Row, before: Row | None) -> None:
        if row.sobject == "Opportunity":
            self._after_opportunity(writer, row, before)
        elif row.sobject == "OpportunityContactRole":
            self._after_role(row)
        elif row.sobject == "OpportunityTeamMember":
            user = self.rows.live("User", row.values["UserId"])
            self.rows.derive(row, {"Name": user.values["Name"] if user else None})
        elif row.sobject == "OpportunityLineItem":
            self._after_products(writer, row)
        elif row.sobject == SOLUTIONS:
            self._after_solutions(writer, row, before)

    def after_delete(self, writer: Writer, row: Row) -> None:
        if row.sobject == "OpportunityContactRole" and row.values["IsPrimary"]:
            opportunity = self.rows.live("Opportunity", row.values["OpportunityId"])
            if opportunity:
                self.rows.derive(opportunity, {"ContactId": None})
        elif row.sobject == "OpportunityLineItem":
            self._after_products(writer, row)
        elif row.sobject == SOLUTIONS:
            self._after_solutions(writer, row, None)

    def _after_opportunity(self, writer: Writer, row: Row, before: Row | None) -> None:
        roles = self.rows.schema.objects["OpportunityContactRole"]
        contact = row.values["ContactId"]
        if before is None and contact is not None and not self._of(roles.name, row):
            writer.insert(roles, {"OpportunityId": row.id, "ContactId": contact, "IsPrimary": True})
        if row.values["IsPrivate"] and not (before and before.values["IsPrivate"]):
            for member in self._of("OpportunityTeamMember", row):
                writer.delete(self.rows.schema.objects[member.sobject], member)

    def _of(self, sobject: str, opportunity: Row) -> list[Row]:
        return [row for row in self.rows.of(sobject) if row.values["OpportunityId"] == opportunity.id]

    def _after_role(self, role: Row) -> None:
        """One contact role at most is primary; the opportunity's ContactId is that contact."""
        opportunity = self.rows.live("Opportunity", role.values["OpportunityId"])
        if opportunity is None:
            return
        if role.values["IsPrimary"]:
            for other in self._of(role.sobject, opportunity):
                if other.id != role.id and other.values["IsPrimary"]:
                    self.rows.put(other.sobject, other.id, {**other.values, "IsPrimary": False})
        primary = [each for each in self._of(role.sobject, opportunity) if each.values["IsPrimary"]]
        contact = primary[0].values["ContactId"] if primary else None
        if opportunity.values["ContactId"] != contact:
            self.rows.derive(opportunity, {"ContactId": contact})

    def _after_products(self, writer: Writer, item: Row) -> None:
        opportunity = self.rows.live("Opportunity", item.values["OpportunityId"])
        if opportunity is None:
            return
        items = self._of(item.sobject, opportunity)
        values: dict[str, Value] = {**opportunity.values, "HasOpportunityLineItem": bool(items)}
        if items:
            worth = (Decimal(each.values["Quantity"] or 0) * Decimal(each.values["UnitPrice"] or 0) for each in items)
            values["Amount"] = sum(worth, Decimal(0))
            settle_amount(values, None)
        self.rows.put(opportunity.sobject, opportunity.id, values)

    def _after_solutions(self, writer: Writer, solution: Row, before: Row | None) -> None:
        """``before``: None after insert, delete and undelete, which are what the trigger listens to."""
        opportunity = self.rows.live("Opportunity", solution.values["Opportunity__c"])
        if not self.package_trigger or before is not None or opportunity is None:
            return
        solutions = [row for row in self.rows.of(SOLUTIONS) if row.values["Opportunity__c"] == opportunity.id]
        values: dict[str, Value] = {**opportunity.values, "Solution_Count__c": Decimal(len(solutions))}
        if not solutions:
            values[SYNC_FIELD] = False
        values |= {"LastModifiedDate": self.rows.stamp, "LastModifiedById": writer.user_id}
        self.rows.put(opportunity.sobject, opportunity.id, values)
