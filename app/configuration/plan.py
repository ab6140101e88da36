"""What has to change so that the configuration is as a document wants it, in an order that works. Pure.

What is named by others is made before them and removed after them. Users who lose something (their account, the role
of admin) lose it last: by then nobody names them any more and whoever follows is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from app.configuration.document import ConfigurationDocument, NotificationRuleEntry, UserEntry
from app.configuration.rule_set_plan import bare, rule_sets
from app.directory.documents import ContactMethodDocument, Document, OrganisationEdit, SubscriptionsEdit, UserEdit
from app.errors import Invalid
from app.escalation.list_documents import EscalationMatrixEdit, SupportTiersEdit
from app.escalation.policy_document import LastResort
from app.priority.documents import MatrixEdit

Action = Literal["create", "edit", "delete", "deactivate"]
Kind = Literal[
    "organisation",
    "user",
    "contact_method",
    "notification_rules",
    "subscriptions",
    "team",
    "calendar",
    "schedule",
    "webhook",
    "policy",
    "service",
    "integration",
    "heartbeat",
    "maintenance_window",
    "inhibition_rule",
    "time_interval",
    "message_template",
    "last_resort",
    "support_tiers",
    "escalation_matrix",
    "routing_rules",
    "correlation_rules",
    "priority_rules",
    "priority_matrix",
]
SECTIONS: dict[Kind, str] = {
    "team": "teams",
    "calendar": "calendars",
    "schedule": "schedules",
    "webhook": "webhooks",
    "policy": "policies",
    "service": "services",
    "integration": "integrations",
    "heartbeat": "heartbeats",
    "maintenance_window": "maintenance_windows",
    "inhibition_rule": "inhibition_rules",
    "time_interval": "time_intervals",
    "message_template": "message_templates",
}
"""In the order in which they are made; they are removed in the opposite one."""


class RulesOfUser(Document):
    """All notification rules of a user."""

    rules: list[NotificationRuleEntry]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to do. `key` names it for people; `owner` is the user of a contact method or of notification rules, and
    the service of a rule set that is not the organisation's.
    `at` is where the document says so: `policies[2]`; empty for what the document does not have."""

    action: Action
    kind: Kind
    key: str
    before: BaseModel | None = None
    after: BaseModel | None = None
    owner: str = ""
    at: str = ""

    @property
    def differences(self) -> list[tuple[str, Any, Any]]:
        """Member, before, after; of what is made or removed only the side that there is."""
        old = self.before.model_dump(mode="json") if self.before else {}
        new = self.after.model_dump(mode="json") if self.after else {}
        names = [*new, *(name for name in old if name not in new)]
        return [(n, old.get(n), new.get(n)) for n in names if old.get(n) != new.get(n)]


def plan(current: ConfigurationDocument, wanted: ConfigurationDocument, *, prune: bool) -> list[Change]:
    """The changes from `current`, which has all sections, to `wanted`. `prune` also removes what a section of `wanted`
    does not name; without it nothing is removed. Raises `Invalid` for a change of what never changes."""
    early, late = _users(current, wanted, prune)
    removed = [c for kind in reversed(SECTIONS) for c in _last_first(kind, current, wanted)] if prune else []
    changes = [
        *_new_organisation(current, wanted),
        *early,
        *(c for kind in SECTIONS for c in _in_order(kind, _section(kind, current, wanted))),
        *_singles(current, wanted),
        *_organisation(current, wanted),
        *removed,
        *late,
    ]
    _check_immutable(changes)
    return changes


def _new_organisation(current: ConfigurationDocument, wanted: ConfigurationDocument) -> Iterator[Change]:
    if current.organisation is None and wanted.organisation is not None:
        bare = wanted.organisation.model_copy(update={"catch_all_policy": None})
        yield Change("create", "organisation", "organisation", None, bare, at="organisation")


def _organisation(current: ConfigurationDocument, wanted: ConfigurationDocument) -> Iterator[Change]:
    after = wanted.organisation
    before = current.organisation
    if after is None:
        return
    if before is None:
        before = OrganisationEdit(name=after.name, time_zone=after.time_zone)
    if before != after:
        yield Change("edit", "organisation", "organisation", before, after, at="organisation")


def _section(kind: Kind, current: ConfigurationDocument, wanted: ConfigurationDocument) -> Iterator[Change]:
    known = {entry.key: entry for entry in getattr(current, SECTIONS[kind]) or []}
    for i, entry in enumerate(getattr(wanted, SECTIONS[kind]) or []):
        after, before = bare(entry), bare(known.get(entry.key))
        at = f"{SECTIONS[kind]}[{i}]"
        if before is None:
            yield Change("create", kind, after.key, None, after, at=at)
        elif before != after:
            yield Change("edit", kind, after.key, before, after, at=at)


def _in_order(kind: Kind, changes: Iterator[Change]) -> list[Change]:
    """Services after those that they depend on, policies after those that they hand over to, schedules after those that
    they are like; what is a cycle comes last, and is refused when it is carried out."""
    left = list(changes)
    if kind == "schedule":
        return sorted(left, key=lambda change: getattr(change.after or change.before, "like", None) is not None)
    if kind not in ("service", "policy"):
        return left
    done: list[Change] = []
    while left:
        waiting = {c.key for c in left}
        ready = [c for c in left if not waiting & _named(c.after or c.before)]
        done += ready or left
        left = [c for c in left if c not in done]
    return done


def _named(entry: Any) -> set[str]:
    """The others of its kind that an entry names."""
    return {*getattr(entry, "depends_on", ()), getattr(entry, "hand_over_to", None) or ""}


def _removed(kind: Kind, current: ConfigurationDocument, wanted: ConfigurationDocument) -> Iterator[Change]:
    named = getattr(wanted, SECTIONS[kind])
    if named is None:
        return
    keys = {entry.key for entry in named}
    there = getattr(current, SECTIONS[kind]) or []
    for before in sorted(there, key=lambda entry: getattr(entry, "like", None) is None):
        if before.key not in keys:
            yield Change("delete", kind, before.key, bare(before))


def _last_first(kind: Kind, current: ConfigurationDocument, wanted: ConfigurationDocument) -> Iterator[Change]:
    """What is removed, before what it names."""
    return reversed(_in_order(kind, _removed(kind, current, wanted)))


def _singles(current: ConfigurationDocument, wanted: ConfigurationDocument) -> Iterator[Change]:
    if wanted.last_resort is not None and wanted.last_resort != current.last_resort:
        before = LastResort.model_construct(targets=current.last_resort or [])
        after = LastResort(targets=wanted.last_resort)
        yield Change("edit", "last_resort", "last_resort", before, after, at="last_resort")
    tiers = SupportTiersEdit(tiers=current.support_tiers or []), SupportTiersEdit(tiers=wanted.support_tiers or [])
    if wanted.support_tiers is not None and tiers[0] != tiers[1]:
        yield Change("edit", "support_tiers", "support_tiers", *tiers, at="support_tiers")
    rows = current.escalation_matrix or [], wanted.escalation_matrix or []
    if wanted.escalation_matrix is not None and rows[0] != rows[1]:
        edits = EscalationMatrixEdit(rows=rows[0]), EscalationMatrixEdit(rows=rows[1])
        yield Change("edit", "escalation_matrix", "escalation_matrix", *edits, at="escalation_matrix")
    yield from (Change("edit", *found) for found in rule_sets(current, wanted))
    if wanted.priority_matrix is not None and wanted.priority_matrix != current.priority_matrix:
        before_matrix = MatrixEdit.model_construct(matrix=current.priority_matrix or [])
        after_matrix = MatrixEdit(matrix=wanted.priority_matrix)
        yield Change("edit", "priority_matrix", "priority_matrix", before_matrix, after_matrix, at="priority_matrix")


def _users(
    current: ConfigurationDocument, wanted: ConfigurationDocument, prune: bool
) -> tuple[list[Change], list[Change]]:
    """What comes first, and what comes last."""
    known = {user.key: user for user in current.users or []}
    accounts: list[Change] = []
    reaching: list[Change] = []
    late: list[Change] = []
    for i, after in enumerate(wanted.users or []):
        before = known.get(after.key)
        accounts_or_late, change = _account(before, after, f"users[{i}]")
        if change is not None:
            (late if accounts_or_late == "late" else accounts).append(change)
        reaching += _contact_methods(before, after, f"users[{i}]")
        reaching += _notification_rules(before, after, f"users[{i}]")
        late += _subscriptions(before, after, f"users[{i}]")
        if prune and before is not None:
            late += _removed_methods(before, after)
    if prune and wanted.users is not None:
        named = {user.key for user in wanted.users}
        for user in current.users or []:
            if user.key not in named and user.active:
                gone = account(user)
                late.append(Change("deactivate", "user", user.key, gone, gone.model_copy(update={"active": False})))
    return accounts + reaching, late


def account(user: UserEntry) -> UserEdit:
    """What `directory.people` edits of a user."""
    return UserEdit.model_validate(user.model_dump(include=set(UserEdit.model_fields)))


def _account(before: UserEntry | None, after: UserEntry, at: str) -> tuple[Literal["early", "late"], Change | None]:
    if before is None:
        return "early", Change("create", "user", after.key, None, account(after), at=at)
    old, new = account(before), account(after)
    if old == new:
        return "early", None
    loses = (old.active and not new.active) or (old.role == "admin" and new.role != "admin")
    return "late" if loses else "early", Change("edit", "user", after.key, old, new, at=at)


def _contact_methods(before: UserEntry | None, after: UserEntry, at: str) -> Iterator[Change]:
    known = {(m.channel, m.address): m for m in (before.contact_methods if before else None) or []}
    for i, method in enumerate(after.contact_methods or []):
        old = known.get((method.channel, method.address))
        if old != method:
            action: Action = "create" if old is None else "edit"
            where = f"{at}.contact_methods[{i}]"
            yield Change(action, "contact_method", _method_key(after, method), old, method, after.key, where)


def _removed_methods(before: UserEntry, after: UserEntry) -> Iterator[Change]:
    if after.contact_methods is None:
        return
    named = {(m.channel, m.address) for m in after.contact_methods}
    for method in before.contact_methods or []:
        if (method.channel, method.address) not in named:
            yield Change("delete", "contact_method", _method_key(before, method), method, owner=before.key)


def _notification_rules(before: UserEntry | None, after: UserEntry, at: str) -> Iterator[Change]:
    old = sorted_rules((before.notification_rules if before else None) or [])
    if after.notification_rules is None or sorted_rules(after.notification_rules) == old:
        return
    rules = RulesOfUser(rules=old), RulesOfUser(rules=sorted_rules(after.notification_rules))
    yield Change("edit", "notification_rules", after.key, *rules, after.key, f"{at}.notification_rules")


def _subscriptions(before: UserEntry | None, after: UserEntry, at: str) -> Iterator[Change]:
    """They name services, which come before."""
    old = SubscriptionsEdit(subscriptions=(before.subscriptions if before else None) or [])
    new = SubscriptionsEdit(subscriptions=after.subscriptions or [])
    if after.subscriptions is not None and new != old:
        yield Change("edit", "subscriptions", after.key, old, new, after.key, f"{at}.subscriptions")


def sorted_rules(rules: Sequence[NotificationRuleEntry]) -> list[NotificationRuleEntry]:
    """The one order of notification rules."""
    return sorted(rules, key=lambda r: (r.loudness, r.delay_s, r.channel, r.address))


def _method_key(user: UserEntry, method: ContactMethodDocument) -> str:
    return f"{user.key} {method.channel} {method.address}"


_IMMUTABLE: dict[Kind, str] = {"integration": "source", "heartbeat": "integration"}


def _check_immutable(changes: Sequence[Change]) -> None:
    errors = [
        {"field": f"{c.at}.{name}", "message": f"never changes, and is {old!r}; make one of another key"}
        for c in changes
        if c.action == "edit"
        for name, old, _ in c.differences
        if name == _IMMUTABLE.get(c.kind)
    ]
    if errors:
        raise Invalid(f"{errors[0]['field']}: {errors[0]['message']}", errors=errors)
