"""A Microsoft Entra tenant for the sandbox: the token endpoint that msal and azure-identity talk to."""

from sandbox.entra.simulator import EntraSimulator
from sandbox.entra.tokens import Claims, TokenCheck

__all__ = ["Claims", "EntraSimulator", "TokenCheck"]
