"""A Dynamics 365 Sales environment for the sandbox: the Dataverse Web API with Microsoft's co-sell columns."""

from sandbox.dataverse import faults
from sandbox.dataverse.seed import APPLICATION_USER_ID, SELLER_ID, currency_id
from sandbox.dataverse.simulator import DataverseSimulator

__all__ = ["APPLICATION_USER_ID", "SELLER_ID", "DataverseSimulator", "currency_id", "faults"]
