"""What one may do: a table of permissions, and the rule by which a caller has one. Pure.

A permission asks two things. A person needs at least its role. An API key needs its scope as well, and a key that acts
for a person never has more than that person. Where a permission is about things that belong to a team, a manager has it
for the teams he or she manages: `Caller.require_team`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from app.errors import Forbidden

Role = Literal["viewer", "operator", "manager", "admin"]
Scope = Literal["read", "respond", "configure", "admin", "metrics"]

ROLES: Final[tuple[Role, ...]] = ("viewer", "operator", "manager", "admin")
"""From the narrowest to the widest; each may do what those before it may."""

SCOPES: Final[Mapping[Scope, str]] = {
    "read": "read incidents, receipts, schedules and configuration",
    "respond": "acknowledge, resolve and otherwise respond to incidents; make overrides and silences; start drills",
    "configure": "change services, integrations, heartbeats, schedules, policies, rules and teams; apply and export",
    "admin": "change users, API keys and the organisation; read the audit records",
    "metrics": "read /metrics",
}


class Permission(NamedTuple):
    role: Role
    scope: Scope
    of_team: bool = False
    """A manager has it only for things of the teams he or she manages."""


PERMISSIONS: Final[Mapping[str, Permission]] = {
    "incidents.read": Permission("viewer", "read"),
    "incidents.respond": Permission("operator", "respond"),
    "receipts.read": Permission("viewer", "read"),
    "quarantine.read": Permission("operator", "read"),
    "quarantine.replay": Permission("manager", "configure"),
    "on_call.read": Permission("viewer", "read"),
    "schedules.read": Permission("viewer", "read"),
    "schedules.edit": Permission("manager", "configure", of_team=True),
    "calendars.read": Permission("viewer", "read"),
    "calendars.edit": Permission("manager", "configure", of_team=True),
    "schedule_feeds.edit": Permission("operator", "configure"),
    "overrides.edit": Permission("operator", "respond"),
    "reachability.read": Permission("operator", "read"),
    "costs.read": Permission("manager", "read"),
    "drills.read": Permission("viewer", "read"),
    "drills.start": Permission("manager", "respond", of_team=True),
    "policies.read": Permission("viewer", "read"),
    "policies.edit": Permission("manager", "configure", of_team=True),
    "message_templates.read": Permission("viewer", "read"),
    "message_templates.edit": Permission("admin", "configure"),
    "webhooks.read": Permission("viewer", "read"),
    "webhooks.edit": Permission("admin", "configure"),
    "support_tiers.edit": Permission("admin", "configure"),
    "escalation_matrix.edit": Permission("admin", "configure"),
    "dry_runs.make": Permission("operator", "read"),
    "silences.read": Permission("viewer", "read"),
    "silences.edit": Permission("operator", "respond"),
    "suppression_rules.read": Permission("viewer", "read"),
    "suppression_rules.edit": Permission("admin", "configure"),
    "maintenance.edit": Permission("manager", "configure", of_team=True),
    "priority_rules.read": Permission("viewer", "read"),
    "priority_rules.try": Permission("viewer", "read"),
    "priority_rules.edit": Permission("admin", "configure"),
    "routing_rules.read": Permission("viewer", "read"),
    "routing_rules.edit": Permission("admin", "configure"),
    "correlation_rules.read": Permission("viewer", "read"),
    "correlation_rules.edit": Permission("admin", "configure"),
    "service_rules.edit": Permission("manager", "configure", of_team=True),
    "rule_drafts.read": Permission("viewer", "read"),
    "rule_drafts.edit": Permission("manager", "configure", of_team=True),
    "rule_drafts.simulate": Permission("operator", "read"),
    "organisation.read": Permission("viewer", "read"),
    "organisation.edit": Permission("admin", "admin"),
    "last_resort.edit": Permission("admin", "configure"),
    "teams.read": Permission("viewer", "read"),
    "teams.create": Permission("admin", "configure"),
    "teams.edit": Permission("manager", "configure", of_team=True),
    "users.read": Permission("viewer", "read"),
    "users.edit": Permission("admin", "admin"),
    "me.read": Permission("viewer", "read"),
    "me.edit": Permission("viewer", "configure"),
    "services.read": Permission("viewer", "read"),
    "services.edit": Permission("manager", "configure", of_team=True),
    "integrations.read": Permission("viewer", "read"),
    "integrations.edit": Permission("manager", "configure", of_team=True),
    "heartbeats.read": Permission("viewer", "read"),
    "heartbeats.edit": Permission("manager", "configure", of_team=True),
    "api_keys.edit": Permission("viewer", "admin"),
    "audit.read": Permission("admin", "admin"),
    "configuration.apply": Permission("admin", "configure"),
    "configuration.export": Permission("admin", "configure"),
    "metrics.read": Permission("viewer", "metrics"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is calling, already proven. A machine's key (`user_id` None) has the role admin, within its scopes."""

    kind: Literal["user", "api_key"]
    actor: str
    """`user:ana` or `api_key:ci`, as audit records and timelines name it."""
    name: str
    role: Role
    user_id: int | None = None
    user_key: str | None = None
    scopes: frozenset[str] | None = None
    """None: no limit beyond the role (a browser's session)."""
    managed_team_ids: frozenset[int] = frozenset()
    team_ids: frozenset[int] = frozenset()
    """The teams of this user, managed ones included."""

    def may(self, permission: str) -> bool:
        """True when the role and, for an API key, the scopes allow it. Raises KeyError for an unknown permission."""
        wanted = PERMISSIONS[permission]
        has_role = ROLES.index(self.role) >= ROLES.index(wanted.role)
        return has_role and (self.scopes is None or wanted.scope in self.scopes)

    def require(self, permission: str) -> None:
        """Raises `Forbidden` naming what is missing."""
        if self.may(permission):
            return
        wanted = PERMISSIONS[permission]
        takes = f"it takes the role {wanted.role}"
        takes += f" and the scope {wanted.scope}" if self.scopes is not None else ""
        if wanted.of_team and ROLES.index(self.role) < ROLES.index(wanted.role):
            has = " (you do manage a team)" if self.managed_team_ids else ""
            takes += f", and besides that managing the team it belongs to{has}; your role is {self.role}"
        raise Forbidden(
            f"{self.actor} may not do this: {takes}",
            permission=permission,
            role_needed=wanted.role,
            scope_needed=wanted.scope,
        )

    def manages(self, team_id: int | None) -> bool:
        """True for an admin, and for a manager of this team. What belongs to no team is the admins'."""
        return self.role == "admin" or (self.role == "manager" and team_id in self.managed_team_ids)

    def require_team(self, *team_ids: int | None) -> None:
        """For permissions marked `of_team`: before a change, with the team of the thing as it is and as it shall be.

        Raises `Forbidden` unless the caller manages every one of them.
        """
        if not all(self.manages(team_id) for team_id in team_ids):
            role = "" if self.role == "manager" else f"; it takes the role manager, too: yours is {self.role}"
            raise Forbidden(f"{self.actor} does not manage the team this belongs to{role}", code="not_your_team")
