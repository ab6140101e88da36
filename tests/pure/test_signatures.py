"""Signatures, on the vectors under tests/payloads/signatures and on what is nearly right."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.access.sealing import Unsealable, seal, unseal
from app.access.secrets import Secrets
from app.ingest.signatures import refusal

VECTORS = json.loads((Path(__file__).parents[1] / "payloads" / "signatures" / "vectors.json").read_text())["vectors"]
AT = datetime.fromtimestamp(1_700_000_000, UTC)
SOURCE = {"grafana": "grafana", "sentry": "generic"}


def headers(vector):
    stamped = {vector["timestamp_header"].lower(): vector["timestamp"]} if vector.get("timestamp_header") else {}
    return {vector["signature_header"].lower(): vector["signature"]} | stamped


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['kind']}, {v.get('name', '')}")
def test_the_vectors(vector):
    body, source = vector["raw_body"].encode(), SOURCE[vector["kind"]]
    assert refusal(source, [vector["secret"]], body, headers(vector), AT) is None
    assert refusal(source, ["another secret", vector["secret"]], body, headers(vector), AT) is None
    assert refusal("generic", [vector["secret"]], body, headers(vector), AT) is None
    for wrong in ([vector["secret"] + "x"], ["another", "one more"]):
        assert refusal(source, wrong, body, headers(vector), AT)[0] == 403
    assert refusal(source, [vector["secret"]], body + b" ", headers(vector), AT)[0] == 403
    assert refusal(source, [vector["secret"]], body, {}, AT)[0] == 401
    assert refusal(source, [], body, headers(vector), AT)[0] == 403


STAMPED = next(v for v in VECTORS if v.get("timestamp"))


@pytest.mark.parametrize(("away", "fine"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)])
def test_a_timestamp_is_near_now(away, fine):
    body = STAMPED["raw_body"].encode()
    said = refusal("grafana", [STAMPED["secret"]], body, headers(STAMPED), AT + timedelta(seconds=away))
    assert (said is None) == fine


def test_a_timestamp_cannot_be_taken_away_or_put_off():
    body, given = STAMPED["raw_body"].encode(), headers(STAMPED)
    for changed in ({}, {"x-grafana-alerting-timestamp": "1700000001"}, {"x-grafana-alerting-timestamp": "☂"}):
        bare = {"x-grafana-alerting-signature": given["x-grafana-alerting-signature"]}
        assert refusal("grafana", [STAMPED["secret"]], body, bare | changed, AT)[0] == 403


def test_github_and_its_like_say_which_hash():
    given = {"x-hub-signature-256": "sha256=7fd98394c7633dff3c43d5429ad72b920e8723aa2773ae542ef440b120beee95"}
    assert refusal("generic", ["test-secret"], b'{"status":"firing"}', given, AT) is None
    assert refusal("grafana", ["test-secret"], b'{"status":"firing"}', given, AT)[0] == 401


@pytest.mark.parametrize("signature", ["", "☂", "ü", "0" * 64, "7FD9", "\x00"])
def test_nonsense_is_a_wrong_signature(signature):
    assert refusal("grafana", ["s"], b"", {"x-grafana-alerting-signature": signature}, AT)[0] == 403


SECRETS = Secrets(b"k" * 40)


@pytest.mark.parametrize("secret", ["x", "correct horse", "ümläut ☂" * 60, ""])
def test_what_is_sealed_opens_with_its_key_and_label_only(secret):
    sealed = seal(SECRETS, "integration/7", secret)
    assert unseal(SECRETS, "integration/7", sealed) == secret
    assert seal(SECRETS, "integration/7", secret) != sealed
    assert len(secret) < 4 or secret.encode() not in sealed
    others = [(Secrets(b"j" * 40), "integration/7", sealed), (SECRETS, "integration/8", sealed)]
    damaged = [sealed[:i] + bytes([sealed[i] ^ 1]) + sealed[i + 1 :] for i in range(len(sealed))]
    cut = [sealed[:i] for i in range(len(sealed))]
    for key, label, value in [*others, *((SECRETS, "integration/7", v) for v in damaged + cut)]:
        with pytest.raises(Unsealable):
            unseal(key, label, value)
