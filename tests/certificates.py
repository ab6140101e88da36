"""Certificates that sign themselves, for tests of TLS."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """The files of a certificate and its key. `name`: `DNS:hooks.example` or `IP:127.0.0.1`. Skips the test where there
    is nothing to make it with."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl command to make a certificate with")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
               "-days", "2", "-subj", "/CN=test", "-addext", f"subjectAltName={name}"]  # fmt: skip
    subprocess.run([*command, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key
