"""What a new environment holds: its organization, currencies, people and roles of a sales team. No deal."""

from __future__ import annotations

from decimal import Decimal

from sandbox.dataverse.rows import Rows
from sandbox.dataverse.schema import stable_id
from sandbox.dataverse.values import Reference, Value
from sandbox.dataverse.writes import Writer

BASE_CURRENCY = "USD"
# Code, name, symbol, decimal places, units of it for one unit of the base currency.
_CURRENCIES = (
    ("USD", "US Dollar", "$", 2, "1"),
    ("EUR", "Euro", "€", 2, "0.92"),
    ("GBP", "Pound Sterling", "£", 2, "0.79"),
    ("JPY", "Japanese Yen", "¥", 0, "151.5"),
    ("KWD", "Kuwaiti Dinar", "KD", 3, "0.308"),
)
_SALES_TEAM, _STAKEHOLDER = 1001, 1000
_ROLES = (("Account Manager", _SALES_TEAM), ("Territory Manager", _SALES_TEAM), ("Stakeholder", _STAKEHOLDER))
_SELLERS = (("Alex", "Kim"), ("Dana", "Reyes"), ("Sam", "Okafor"))

APPLICATION_USER_ID = stable_id("systemuser", "application")
SELLER_ID = stable_id("systemuser", "alex.kim@contoso.com")
ORGANIZATION_ID = stable_id("organization")
BUSINESS_UNIT_ID = stable_id("businessunit")


def currency_id(code: str) -> str:
    """The id of a seeded currency, the same in every environment."""
    return stable_id("transactioncurrency", code)


def role_id(name: str) -> str:
    """The id of a seeded connection role, the same in every environment."""
    return stable_id("connectionrole", name)


def seed(rows: Rows, *, application_id: str, delta_token_days: int) -> None:
    """Into empty ``rows``. ``application_id``: client id of the Entra app behind the application user."""
    writer = Writer(rows, APPLICATION_USER_ID, "")
    tables = rows.schema.tables
    root = writer.insert(tables["businessunit"], {"name": "Contoso"}, row_id=BUSINESS_UNIT_ID)
    unit: dict[str, Value] = {"businessunitid": Reference("businessunit", root.id)}
    application: dict[str, Value] = {
        "lastname": "Co-sell connector",
        "domainname": "co-sell-connector@contoso.com",
        "applicationid": application_id,
        "azureactivedirectoryobjectid": stable_id("entra", "application"),
        "accessmode": 4,
        **unit,
    }
    writer.insert(tables["systemuser"], application, row_id=APPLICATION_USER_ID)
    for first, last in _SELLERS:
        address = f"{first}.{last}@contoso.com".lower()
        person: dict[str, Value] = {
            "firstname": first,
            "lastname": last,
            "domainname": address,
            "internalemailaddress": address,
            "azureactivedirectoryobjectid": stable_id("entra", address),
            **unit,
        }
        writer.insert(tables["systemuser"], person, row_id=stable_id("systemuser", address))
    for role, category in _ROLES:
        writer.insert(tables["connectionrole"], {"name": role, "category": category}, row_id=role_id(role))
    for code, name, symbol, places, rate in _CURRENCIES:
        currency: dict[str, Value] = {
            "isocurrencycode": code,
            "currencyname": name,
            "currencysymbol": symbol,
            "currencyprecision": places,
            "exchangerate": Decimal(rate).quantize(Decimal("1e-12")),
        }
        writer.insert(tables["transactioncurrency"], currency, row_id=currency_id(code))
    organization: dict[str, Value] = {
        "name": "Contoso",
        "basecurrencyid": Reference("transactioncurrency", currency_id(BASE_CURRENCY)),
        "pricingdecimalprecision": 2,
        "expirechangetrackingindays": delta_token_days,
        "languagecode": 1033,
    }
    writer.insert(tables["organization"], organization, row_id=ORGANIZATION_ID)
