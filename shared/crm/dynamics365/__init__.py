"""Dynamics 365 Sales over the Dataverse Web API 9.2. ``adapter`` and ``auth`` do I/O, the other modules do not.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/overview
"""
