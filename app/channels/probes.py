"""Asks the configured providers whether they would take messages, without sending any. For `tocsin doctor`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import aiosmtplib

from app.channels import apprise, gateway_reading, mail, ntfy, slack, sms, voice
from app.channels.channel import Capability, SendFailed
from app.channels.gateway_description import Gateway
from app.channels.hosts import HostPolicy
from app.channels.http import Blocked, Http, Unreachable
from app.channels.names import Names
from app.settings import Settings

WITHIN_S = 10.0

Probe = Callable[[], Awaitable[str]]


def probes(channel: str, settings: Settings) -> dict[str, Probe]:
    """One for each provider of a configured channel, by its name; by an empty one where the channel has just one that
    everybody knows. Each returns what was found out, for people; raises `SendFailed` when the provider would not take a
    message now, `Invalid` when it is configured wrongly."""
    if channel not in ("sms", "voice"):
        return {
            "": partial(
                {"mail": smtp, "push": push, "ntfy": ntfy_servers, "slack": of_slack, "apprise": of_apprise}[channel],
                settings,
            )
        }
    of_twilio = (sms if channel == "sms" else voice).capability(settings)
    found: dict[str, Probe] = {"": partial(twilio, settings)} if of_twilio.configured else {}
    for described in gateway_reading.read(settings).of(channel):
        found[described.name] = partial(_gateway, settings, described, of_twilio)
    return found


async def _gateway(settings: Settings, described: Gateway, capability: Capability) -> str:
    from app.channels.gateway import GatewayChannel  # noqa: PLC0415  # only where there are some

    asked = GatewayChannel(settings, described, capability)
    try:
        return await asked.probe()
    finally:
        await asked.close()


async def twilio(settings: Settings) -> str:
    """Lists one message: the address, the account and its token are right."""
    base_url = settings.twilio_base_url or sms.BASE_URL
    http = Http(HostPolicy.of(settings, base_url), timeout_s=WITHIN_S)
    account = settings.twilio_account_sid
    url = f"{base_url.rstrip('/')}/2010-04-01/Accounts/{account}/Messages.json"
    try:
        answer = await http.request("GET", url, params={"PageSize": "1"}, auth=(account, settings.twilio_auth_token))
    except (Blocked, Unreachable) as e:
        raise SendFailed(f"Twilio cannot be reached: {e}", code="unreachable") from e
    finally:
        await http.close()
    if answer.status == 401:
        raise SendFailed("Twilio does not know this account and token", code="401", configuration=True)
    if answer.status != 200:
        raise SendFailed(f"Twilio answered with {answer.status}", code=str(answer.status))
    return "Twilio answers, account and token are right"


async def of_apprise(settings: Settings) -> str:
    """Asks nobody: every address has a service of its own."""
    return f"installed; addresses may begin with {', '.join(apprise.schemes(settings))}"


async def smtp(settings: Settings) -> str:
    """Connects, with TLS and login as a mail would, and says goodbye."""
    server = mail.server(settings.smtp_url)
    client = mail._client(server, "localhost")  # made as for a mail, which is the point
    try:
        async with asyncio.timeout(WITHIN_S):
            await mail._connect(client, server, Names())
            await client.quit()
    except (aiosmtplib.SMTPException, OSError, ValueError) as e:  # TimeoutError is an OSError
        words = str(e).replace("\n", " ") or f"no answer within {WITHIN_S:g} s"
        raise SendFailed(f"{server.host}:{server.port}: {words}", code="smtp") from e
    finally:
        client.close()
    login = " and takes the login" if server.username else ""
    return f"{server.host} answers{login}"


async def push(settings: Settings) -> str:
    """Every device has a push service of its own, and only a push to it would tell."""
    return "needs no account; a drill tells whether devices are reached"


async def of_slack(settings: Settings) -> str:
    """Whether the token is one, and of which workspace."""
    asked = slack.SlackChannel(settings)
    try:
        return await asked.probe()
    finally:
        await asked.close()


async def ntfy_servers(settings: Settings) -> str:
    """Asks each server how it is, and whether it knows our token (docs.ntfy.sh: monitoring, account)."""
    found = ntfy.servers(settings)
    http = Http(HostPolicy.of(settings, *found), timeout_s=WITHIN_S)
    try:
        for server in found.values():
            await _ntfy(http, server)
    finally:
        await http.close()
    return f"{', '.join(found)} answer{'s' if len(found) == 1 else ''}"


async def _ntfy(http: Http, server: ntfy.Server) -> None:
    headers = {"Authorization": server.authorization} if server.authorization else {}
    for path in ("/v1/health", "/v1/account") if headers else ("/v1/health",):
        try:
            answer = await http.request("GET", f"{server.origin}{path}", headers=headers)
        except (Blocked, Unreachable) as e:
            raise SendFailed(f"{server.origin} cannot be reached: {e}", code="unreachable") from e
        if answer.status in (401, 403):
            raise SendFailed(f"{server.origin} does not take our token", code=str(answer.status), configuration=True)
        if answer.status != 200:
            raise SendFailed(f"{server.origin} answered with {answer.status}", code=str(answer.status))
