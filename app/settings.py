"""Settings: `TOCSIN_<NAME>` in the environment, or the content of the file `TOCSIN_<NAME>_FILE` names.

docs/configuration.md is the reference; a test holds the two equal.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import urlsplit

from app.errors import Invalid

ROLES = ("web", "worker")
LISTEN = "127.0.0.1:8080"
MOST_DAYS = 36_500
RING_S = (5, 120)
HEARTBEAT_EVERY = (15, 3600)
HEARTBEAT_STYLES = ("healthchecks", "get", "post")
CANARY_WITHIN = (30, 3600)
LOG_LEVELS = ("debug", "info", "warning", "error")


def _default_data_dir(environ: Mapping[str, str]) -> Path:
    root = Path(__file__).resolve().parent.parent
    if (root / "pyproject.toml").exists():
        return root / "var"
    base = environ.get("XDG_DATA_HOME") or str(Path(environ.get("HOME", "/")) / ".local" / "share")
    return Path(base) / "tocsin"


def _default_public_url(listen: str) -> str:
    """Where it is listened, as seen from the same machine."""
    host, _, port = listen.rpartition(":")
    return f"http://{'localhost' if host in ('0.0.0.0', '[::]') else host}:{port}"


@dataclass(frozen=True, slots=True)
class Settings:
    """All that one process is told from outside. Secrets are kept out of `repr`."""

    data_dir: Path
    public_url: str = f"http://{LISTEN}"
    database_url: str = field(default="", repr=False)
    database_listen_url: str = field(default="", repr=False)
    postgres_bindir: str = ""
    listen: str = LISTEN
    roles: tuple[str, ...] = ROLES
    secret_key: str = field(default="", repr=False)
    twilio_account_sid: str = ""
    twilio_auth_token: str = field(default="", repr=False)
    twilio_auth_token_former: str = field(default="", repr=False)
    twilio_from: str = ""
    twilio_messaging_service_sid: str = ""
    twilio_base_url: str = ""
    twilio_voice_from: str = ""
    voice_ring_s: int = 20
    gateways: str = field(default="", repr=False)
    smtp_url: str = field(default="", repr=False)
    mail_from: str = ""
    mail_reply_to: str = ""
    mail_bounces_to: str = ""
    mail_in_listen: str = ""
    mail_in_tls_cert: str = ""
    mail_in_tls_key: str = ""
    mail_in_secret: str = field(default="", repr=False)
    mail_in_imap_url: str = field(default="", repr=False)
    mail_in_authserv_id: str = ""
    ntfy_servers: tuple[str, ...] = field(default=(), repr=False)
    apprise: bool = False
    apprise_schemes: tuple[str, ...] = ()
    slack_token: str = field(default="", repr=False)
    slack_signing_secret: str = field(default="", repr=False)
    slack_base_url: str = ""
    trusted_proxies: tuple[str, ...] = ()
    allow_private_networks: bool = False
    watchdog_url: str = field(default="", repr=False)
    watchdog_smtp_url: str = field(default="", repr=False)
    watchdog_to: str = ""
    heartbeat_url: str = field(default="", repr=False)
    heartbeat_every: int = 60
    heartbeat_style: str = "healthchecks"
    vigil_service: str = ""
    peer_url: str = ""
    peer_token: str = field(default="", repr=False)
    canary_user: str = ""
    canary_within: int = 300
    paper_dir: str = ""
    paper_to: str = ""
    log_level: str = "info"
    retention_receipts_days: int = 14
    retention_history_days: int = 400
    retention_quarantine_days: int = 30
    clock_control: bool = False

    @property
    def host_and_port(self) -> tuple[str, int]:
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def embedded(self) -> bool:
        """True when Tocsin runs its own PostgreSQL under `data_dir`."""
        return not self.database_url


def names() -> list[str]:
    """The environment names, in the order of the reference."""
    return [f"TOCSIN_{f.name.upper()}" for f in fields(Settings)]


def read(environ: Mapping[str, str] | None = None) -> Settings:
    """Reads and checks the settings. Raises `Invalid` naming the setting, never its value when it is a secret."""
    environ = os.environ if environ is None else environ
    values: dict[str, object] = {}
    for f in fields(Settings):
        raw = _raw(environ, f"TOCSIN_{f.name.upper()}")
        if raw is None or raw == "":
            continue
        values[f.name] = _convert(f.name, raw)
    values.setdefault("data_dir", _default_data_dir(environ))
    values.setdefault("public_url", _default_public_url(str(values.get("listen", LISTEN))))
    settings = Settings(**values)  # type: ignore[arg-type]  # built from the dataclass's own fields
    _check(settings)
    return settings


def _raw(environ: Mapping[str, str], name: str) -> str | None:
    if (path := environ.get(f"{name}_FILE")) is not None:
        if name in environ:
            raise Invalid(f"{name} and {name}_FILE are both set; keep one")
        try:
            return Path(path).read_text().strip()
        except OSError as e:
            raise Invalid(f"{name}_FILE: cannot read {path}: {e.strerror}") from e
    return environ.get(name)


def _convert(name: str, raw: str) -> object:
    if name == "data_dir":
        return Path(raw).expanduser().absolute()
    if name in ("roles", "trusted_proxies", "ntfy_servers", "apprise_schemes"):
        return tuple(part.strip() for part in raw.split(",") if part.strip())
    if name in ("allow_private_networks", "clock_control", "apprise"):
        if raw.lower() in ("1", "true", "yes", "on"):
            return True
        if raw.lower() in ("0", "false", "no", "off"):
            return False
        raise Invalid(f"TOCSIN_{name.upper()} takes true or false, not {raw!r}")
    if name.startswith("retention_"):
        if not raw.isascii() or not raw.isdigit() or not 1 <= int(raw) <= MOST_DAYS:
            raise Invalid(f"TOCSIN_{name.upper()} takes a number of days, 1 to {MOST_DAYS}, not {raw!r}")
        return int(raw)
    if name in _SECONDS:
        least, most = _SECONDS[name]
        if not raw.isascii() or not raw.isdigit() or not least <= int(raw) <= most:
            raise Invalid(f"TOCSIN_{name.upper()} takes a number of seconds, {least} to {most}, not {raw!r}")
        return int(raw)
    if name in ("public_url", "peer_url"):
        return raw.rstrip("/")
    return raw


_SECONDS = {"voice_ring_s": RING_S, "heartbeat_every": HEARTBEAT_EVERY, "canary_within": CANARY_WITHIN}


def _check(s: Settings) -> None:
    if urlsplit(s.public_url).scheme not in ("http", "https") or not urlsplit(s.public_url).netloc:
        raise Invalid("TOCSIN_PUBLIC_URL must be an address like https://tocsin.example.org")
    if unknown := set(s.roles) - set(ROLES):
        raise Invalid(f"TOCSIN_ROLES knows web and worker, not {', '.join(sorted(unknown))}")
    host, _, port = s.listen.rpartition(":")
    if not host or not port.isdigit() or not 0 <= int(port) < 65536:
        raise Invalid("TOCSIN_LISTEN takes host:port, e.g. 127.0.0.1:8080 or [::1]:8080")
    if s.secret_key and len(s.secret_key) < 32:
        raise Invalid("TOCSIN_SECRET_KEY must have at least 32 characters")
    if s.database_url and urlsplit(s.database_url).scheme.split("+")[0] not in ("postgres", "postgresql"):
        raise Invalid("TOCSIN_DATABASE_URL must start with postgresql://; no other database is supported")
    if bool(s.twilio_account_sid) != bool(s.twilio_auth_token):
        raise Invalid("TOCSIN_TWILIO_ACCOUNT_SID and TOCSIN_TWILIO_AUTH_TOKEN belong together")
    if s.twilio_auth_token_former and not s.twilio_auth_token:
        raise Invalid("TOCSIN_TWILIO_AUTH_TOKEN_FORMER needs TOCSIN_TWILIO_AUTH_TOKEN")
    if s.twilio_account_sid and not (s.twilio_from or s.twilio_messaging_service_sid):
        raise Invalid("Twilio needs TOCSIN_TWILIO_FROM or TOCSIN_TWILIO_MESSAGING_SERVICE_SID")
    if s.smtp_url and not s.mail_from:
        raise Invalid("TOCSIN_SMTP_URL needs TOCSIN_MAIL_FROM")
    _check_mail(s)
    if bool(s.slack_token) != bool(s.slack_signing_secret):
        raise Invalid("TOCSIN_SLACK_TOKEN and TOCSIN_SLACK_SIGNING_SECRET belong together")
    if bool(s.watchdog_smtp_url) != bool(s.watchdog_to):
        raise Invalid("TOCSIN_WATCHDOG_SMTP_URL and TOCSIN_WATCHDOG_TO belong together")
    _check_vigil(s)
    if s.log_level not in LOG_LEVELS:
        raise Invalid(f"TOCSIN_LOG_LEVEL knows {', '.join(LOG_LEVELS)}, not {s.log_level!r}")


def _check_mail(s: Settings) -> None:
    """What comes in. Addresses are looked at where they are used."""
    for name in ("mail_reply_to", "mail_bounces_to"):
        if getattr(s, name) and not s.mail_from:
            raise Invalid(f"TOCSIN_{name.upper()} needs TOCSIN_SMTP_URL and TOCSIN_MAIL_FROM")
    host, _, port = s.mail_in_listen.rpartition(":")
    if s.mail_in_listen and (not host or not port.isdigit() or not 0 <= int(port) < 65536):
        raise Invalid("TOCSIN_MAIL_IN_LISTEN takes host:port, e.g. 0.0.0.0:25 or 127.0.0.1:2525")
    if bool(s.mail_in_tls_cert) != bool(s.mail_in_tls_key):
        raise Invalid("TOCSIN_MAIL_IN_TLS_CERT and TOCSIN_MAIL_IN_TLS_KEY belong together")
    if s.mail_in_secret and len(s.mail_in_secret) < 16:
        raise Invalid("TOCSIN_MAIL_IN_SECRET must have at least 16 characters")
    if (s.mail_in_listen or s.mail_in_secret or s.mail_in_imap_url) and not (s.mail_reply_to or s.mail_bounces_to):
        raise Invalid("mail that comes in needs TOCSIN_MAIL_REPLY_TO or TOCSIN_MAIL_BOUNCES_TO")


def _check_vigil(s: Settings) -> None:
    """What watches over Tocsin itself. Addresses carry secrets, so no message shows one."""
    for name, url in (("TOCSIN_HEARTBEAT_URL", s.heartbeat_url), ("TOCSIN_PEER_URL", s.peer_url)):
        if url and not _is_web_address(url):
            raise Invalid(f"{name} must be an address that begins with http:// or https://")
    if s.heartbeat_style not in HEARTBEAT_STYLES:
        raise Invalid(f"TOCSIN_HEARTBEAT_STYLE knows {', '.join(HEARTBEAT_STYLES)}, not {s.heartbeat_style!r}")
    if s.peer_token and (len(s.peer_token) < 32 or not s.peer_token.isascii() or not s.peer_token.isprintable()):
        raise Invalid("TOCSIN_PEER_TOKEN must have at least 32 characters, printable ASCII")
    if s.peer_url and not (s.peer_token and s.vigil_service):
        raise Invalid("TOCSIN_PEER_URL needs TOCSIN_PEER_TOKEN and TOCSIN_VIGIL_SERVICE")
    if s.canary_user and not s.vigil_service:
        raise Invalid("TOCSIN_CANARY_USER needs TOCSIN_VIGIL_SERVICE")
    if s.paper_to and not s.smtp_url:
        raise Invalid("TOCSIN_PAPER_TO needs TOCSIN_SMTP_URL")


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port_is_one and " " not in url
