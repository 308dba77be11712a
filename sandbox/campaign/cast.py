"""The invented customers and people of a campaign, and how to find them in a log where they must not be."""

from __future__ import annotations

from dataclasses import dataclass

_FIRST = ("Ines", "Oskar", "Priya", "Mateo", "Freya", "Kwame", "Noor", "Tadeusz")
_LAST = ("Vandermeer", "Lindqvist", "Raghunathan", "Echeverria", "Thorvaldsen", "Agyemang", "Haddadian", "Wisniewski")
_COMPANIES = ("Northwind", "Tailspin", "Fabrikam", "Litware", "Adatum", "Proseware", "Trey", "Woodgrove")
STREET = "Quarrystone Lane"
PHONE = "+1 206 555"
DOMAIN = "customer.example"


@dataclass(frozen=True)
class Person:
    first_name: str
    last_name: str
    email: str
    phone: str


@dataclass(frozen=True)
class Customer:
    """A company; two deals of one customer share its account."""

    name: str
    street: str
    city: str
    postal_code: str
    country: str
    contact: Person


def person(number: int) -> Person:
    first = _FIRST[number % len(_FIRST)]
    last = _LAST[number // len(_FIRST) % len(_LAST)]
    return Person(first, last, f"{first}.{last}.{number}@{DOMAIN}".lower(), f"{PHONE} {number % 10_000:04}")


def customer(number: int) -> Customer:
    return Customer(
        name=f"{_COMPANIES[number % len(_COMPANIES)]} Works {number:05}",
        street=f"{number + 1} {STREET}",
        city="Bremerton",
        postal_code=f"{10_000 + number}",
        country="US",
        contact=person(number),
    )


def personal_words() -> tuple[str, ...]:
    """What stands for personal data of the cast: none of it may be in a log."""
    return (*_LAST, DOMAIN, PHONE, STREET)
