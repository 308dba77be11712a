"""The seller of each CRM."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.crms import SalesforceSide
from sandbox.world import World
from tests.end_to_end.seller import OwnColumns, Seller, Stages
from tests.end_to_end.seller_in_dynamics365 import Dynamics365Seller
from tests.end_to_end.seller_in_salesforce import SalesforceSeller

OWN: Mapping[str, OwnColumns] = {"dynamics365": Dynamics365Seller.own, "salesforce": SalesforceSeller.own}

STAGES: Mapping[str, Stages] = {"dynamics365": Dynamics365Seller.stages, "salesforce": SalesforceSeller.stages}


def seller_of(world: World) -> Seller:
    side = world.crm
    return SalesforceSeller(side.simulator) if isinstance(side, SalesforceSide) else Dynamics365Seller(world.dataverse)
