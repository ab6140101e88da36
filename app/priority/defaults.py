"""Priority rules that a fresh install shows, as a document for `rulesets.check`: three habits worth starting from."""

from __future__ import annotations

from typing import Any

PRIORITY_RULES: list[dict[str, Any]] = [
    {
        "key": "not-production",
        "name": "What is not production can wait",
        "when": '{environment=~"dev|development|test|qa|staging"}',
        "then": {"impact": 3, "urgency": 3},
        "enabled": True,
    },
    {
        "key": "many-services",
        "name": "Five services or more are a wide impact",
        "when": "counts.services >= 5",
        "then": {"impact": 1},
        "enabled": True,
    },
    {
        "key": "security",
        "name": "Security is urgent when it is an error",
        "when": '"security" in service.tags && severity in ["critical", "error"]',
        "then": {"urgency": 1},
        "enabled": True,
    },
]
