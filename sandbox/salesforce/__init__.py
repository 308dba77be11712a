"""A Salesforce org for the sandbox: the REST API and token endpoint, with the fields of Microsoft's co-sell package."""

from sandbox.salesforce import faults
from sandbox.salesforce.conversion import Conversion, Converted
from sandbox.salesforce.rules import DuplicateRule, ValidationRule
from sandbox.salesforce.seed import INTEGRATION_USERNAME, SELLER_USERNAME
from sandbox.salesforce.simulator import OrgOptions, SalesforceSimulator
from sandbox.salesforce.tokens import ConnectedApp

__all__ = [
    "INTEGRATION_USERNAME",
    "SELLER_USERNAME",
    "ConnectedApp",
    "Conversion",
    "Converted",
    "DuplicateRule",
    "OrgOptions",
    "SalesforceSimulator",
    "ValidationRule",
    "faults",
]
