"""A fresh install (behaviour.md 18): the organisation, its first admin, and that no incident is ever nobody's."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from app.access import commands as access
from app.directory import contact_methods, people, store, teams
from app.directory.contact_methods import Channels
from app.directory.documents import ContactMethodDocument, OrganisationEdit, UserDocument
from app.errors import Conflict
from app.escalation import policies
from app.escalation.policy_document import LastResort, PolicyDocument, StepDocument, Target

CATCH_ALL: Final = "catch-all"


@dataclass(frozen=True, slots=True)
class Founded:
    """`password_token` opens `/password/{token}` once, until `expires_at`; it is shown this once."""

    admin_key: str
    password_token: str = field(repr=False)
    expires_at: datetime


async def found(
    conn: AsyncConnection,
    now: datetime,
    *,
    name: str,
    time_zone: str,
    admin: UserDocument,
    reached_by: list[ContactMethodDocument],
    channels: Channels,
    actor: str,
) -> Founded:
    """Makes the organisation, its first admin, the catch-all policy and the last resort, both the first admin.

    `reached_by` count without a code: whoever may run this may write the rows as well. Raises `Conflict`
    (`already_initialised`), `Invalid` for a contact method that is not possible here.
    """
    if (there := await store.organisation(conn, lock=True)) is not None:
        raise Conflict(f"this database belongs to {there.document.name!r} already", code="already_initialised")
    user = await people.create_user(conn, now, admin, actor=actor)
    for document in reached_by:
        await contact_methods.add(conn, now, user.id, document, channels, actor=actor, verified=True)
    target = Target(type="user", key=admin.key)
    policy = PolicyDocument(
        key=CATCH_ALL, name="Catch-all", repeats=2, steps=[StepDocument(delay_s=300, targets=[target])]
    )
    await policies.create(conn, now, policy, actor=actor)
    organisation = OrganisationEdit(name=name, time_zone=time_zone, catch_all_policy=CATCH_ALL)
    await teams.create_organisation(conn, now, organisation, actor=actor)
    await policies.set_last_resort(conn, now, LastResort(targets=[target]), actor=actor)
    token = await access.give_password_link(conn, now, user.id, admin.key, actor=actor)
    return Founded(admin.key, token, now + access.ONE_TIME_LINK_LASTS)
