"""Nothing that opens a door is in the tree."""

from __future__ import annotations

import re

from tree import ROOT, files

LOOKS_LIKE = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}",
    "a Twilio account": r"\b(?:AC|SK)[0-9a-f]{32}\b",
    "an AWS key": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "a GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{36}|\bgithub_pat_\w{50}",
    "a GitLab token": r"\bglpat-[\w-]{20}",
    "a Slack token": r"\bxox[abprs]-[0-9A-Za-z-]{20}",
    "a Slack webhook": r"hooks\.slack\.com/services/T[A-Z0-9]{8,}/B[A-Z0-9]{8,}/\w{20}",
    "a Google key": r"\bAIza[\w-]{35}",
    "an API key of ours": r"\btocsin_[A-Za-z0-9_-]{43}\b",
    "a password in an address": r"\b(?:postgres(?:ql)?|smtps?)(?:\+\w+)?://[^\s:/@'\"{]+:[^\s@'\"{]{12,}@[\w-]+\.\w",
}
_SIMPLE = re.compile(r"(.)\1{7}|01234567|12345678|abcdefgh|EXAMPLE|example", re.IGNORECASE)
"""What examples are made of."""


def test_nothing_looks_like_a_secret():
    patterns = {what: re.compile(pattern) for what, pattern in LOOKS_LIKE.items()}
    found = []
    for path in files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}: {what}: {m[0][:12]}..."
            for what, pattern in patterns.items()
            for m in pattern.finditer(text)
            if not _SIMPLE.search(m[0])
        ]
    assert found == []


def test_no_file_is_named_like_one():
    names = [p.name for p in files()]
    assert [
        n for n in names if n in (".env", "secret_key", "id_rsa", "id_ed25519") or n.endswith((".pem", ".p12"))
    ] == []
