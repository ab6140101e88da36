"""`/integrations/{key}/signing-secret`: what a sender signs with. Entered here, kept encrypted, shown to nobody."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from app.access import signing
from app.directory import integrations
from app.errors import Invalid
from app.ingest.signatures import SIGNED_SOURCES
from app.web.auth import Caller, needs
from app.web.dependencies import SecretsGiven, Tx
from app.web.models import Body, Key, example
from app.web.versions import IfMatch

router = APIRouter(prefix="/integrations", tags=["integrations"])


class SigningSecret(Body):
    """A secret as it was entered at the sender. The one before counts for `overlap_h` hours more."""

    model_config = example(secret="correct horse battery staple", overlap_h=24)  # noqa: S106  # an example

    secret: Annotated[str, Field(min_length=8, max_length=500)]
    overlap_h: Annotated[int, Field(ge=0, le=integrations.MAX_OVERLAP_H, description="hours")] = 24


@router.put("/{key}/signing-secret", status_code=204)
async def set_signing_secret(
    key: Key,
    body: SigningSecret,
    tx: Tx,
    secrets: SecretsGiven,
    expected: IfMatch,
    caller: Annotated[Caller, needs("integrations.edit")],
) -> None:
    """From now on only what is signed with it is taken. It is kept encrypted and shown to nobody."""
    stored = await integrations.read(tx.conn, key)
    caller.require_team(stored.team_id)
    if stored.document.source not in SIGNED_SOURCES:
        why = f"only the sources {' and '.join(sorted(SIGNED_SOURCES))} sign what they send"
        raise Invalid(why, errors=[{"field": "secret", "message": why}])
    await signing.put(
        tx.conn, tx.now, secrets, key, body.secret, actor=caller.actor, overlap_h=body.overlap_h, version=expected
    )


@router.delete("/{key}/signing-secret", status_code=204)
async def remove_signing_secret(
    key: Key, tx: Tx, expected: IfMatch, caller: Annotated[Caller, needs("integrations.edit")]
) -> None:
    """Nothing need be signed any more: the routing key alone lets a sender in."""
    caller.require_team((await integrations.read(tx.conn, key)).team_id)
    await signing.forget(tx.conn, tx.now, key, actor=caller.actor, version=expected)
