"""Example Inc: Ana is on call, Ben is next, Cara is their manager and the admin; it sells things and finds them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

ORGANISATION: Final = "Example Inc"
ZONE: Final = "Europe/Berlin"
PASSWORD: Final = "tocsin-demo"


@dataclass(frozen=True, slots=True)
class Somebody:
    """A person of the example, with a mobile number that no carrier gives out."""

    key: str
    name: str
    number: str
    role: str

    @property
    def email(self) -> str:
        return f"{self.key}@example.org"


ANA: Final = Somebody("ana", "Ana", "+4915550000001", "operator")
BEN: Final = Somebody("ben", "Ben", "+4915550000002", "operator")
CARA: Final = Somebody("cara", "Cara", "+4915550000003", "admin")
PEOPLE: Final = (ANA, BEN, CARA)


def configuration(today: date) -> dict[str, Any]:
    """The document that `tocsin apply` takes. Cara exists already: `tocsin init` made her."""
    handoff = f"{today - timedelta(days=1)}T09:00"  # so that it is Ana's turn today, whatever day it is
    return {
        "format": 1,
        "users": [_user(ANA), _user(BEN)],
        "teams": [
            {
                "key": "shop",
                "name": "Shop",
                "members": [{"user": "ana"}, {"user": "ben"}, {"user": "cara", "role": "manager"}],
            }
        ],
        "schedules": [
            _schedule("shop-primary", "Shop, primary", [["ana"], ["ben"]], handoff),
            _schedule("shop-secondary", "Shop, secondary", [["ben"], ["ana"]], handoff),
        ],
        "policies": [
            {
                "key": "shop",
                "name": "Shop",
                "team": "shop",
                "repeats": 1,
                "steps": [
                    {"delay_s": 300, "targets": [{"type": "schedule", "key": "shop-primary"}]},
                    {"delay_s": 300, "targets": [{"type": "schedule", "key": "shop-secondary"}]},
                    {"delay_s": 600, "targets": [{"type": "user", "key": "cara"}]},
                ],
            }
        ],
        "services": [
            _service("checkout", "Checkout", 1, "Look at the payment provider's status first."),
            _service("search", "Search", 3, "Restart the indexer; people can still buy."),
        ],
        "integrations": [
            {"key": f"{service}-alertmanager", "name": f"Alertmanager of {service}", "source": "alertmanager",
             "service": service}
            for service in ("checkout", "search")
        ],
    }  # fmt: skip


def _user(somebody: Somebody) -> dict[str, Any]:
    return {
        "key": somebody.key,
        "name": somebody.name,
        "email": somebody.email,
        "role": somebody.role,
        "contact_methods": [
            {"channel": "sms", "address": somebody.number},
            {"channel": "mail", "address": somebody.email},
        ],
    }


def _schedule(key: str, name: str, members: list[list[str]], handoff: str) -> dict[str, Any]:
    return {
        "key": key,
        "name": name,
        "team": "shop",
        "time_zone": ZONE,
        "layers": [{"name": "Weekly", "unit": "week", "length": 1, "anchor": handoff, "members": members}],
    }


def _service(key: str, name: str, criticality: int, runbook: str) -> dict[str, Any]:
    return {
        "key": key,
        "name": name,
        "team": "shop",
        "policy": "shop",
        "criticality": criticality,
        "runbook_url": f"https://wiki.example.org/{key}",
        "runbook_text": runbook,
    }
