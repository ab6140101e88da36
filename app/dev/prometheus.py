"""A real Prometheus and a real Alertmanager between a number and the service, as they are installed on this machine."""

from __future__ import annotations

import asyncio
import shutil
from asyncio.subprocess import DEVNULL, Process
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from app.dev import wire
from app.dev.http import Client
from app.dev.program import end_with_parent, free_port

PROGRAMS: Final = ("prometheus", "prometheus-alertmanager")
READY_WITHIN_S: Final = 20.0
GONE_WITHIN_S: Final = 10.0
HIGH, LOW = 0.25, 0.0

_PROMETHEUS: Final = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
alerting:
  alertmanagers:
    - static_configs: [{{targets: ["127.0.0.1:{alertmanager}"]}}]
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["127.0.0.1:{metrics}"]}}]
"""
_RULES: Final = """
groups:
  - name: shop
    rules:
      - alert: {name}
        expr: shop_error_ratio > 0.05
        labels: {{severity: critical}}
        annotations: {{summary: "A quarter of all requests to {service} fail"}}
"""
_ALERTMANAGER: Final = """
route: {{receiver: tocsin, group_by: [alertname, service], group_wait: 1s, group_interval: 2s, repeat_interval: 30s}}
receivers:
  - name: tocsin
    webhook_configs:
      - url: {url}/v1/intake/{key}/alertmanager
"""


def missing() -> list[str]:
    """Which of the two programs are not installed here."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


class Prometheus:
    """A `Sender` whose alert is a rule over a number that Prometheus scrapes. `start` first."""

    def __init__(self, directory: Path, url: str, routing_key: str, name: str, service: str) -> None:
        self.name, self.about, self.loud = name, f"on {service}, as soon as Prometheus has seen it", True
        self.metrics, self.prometheus, self.alertmanager = 0, free_port(), free_port()
        self._directory, self._url, self._key, self._service = directory, url, routing_key, service
        self._value = LOW
        self._parts = AsyncExitStack()

    async def start(self) -> None:
        """Returns when both are ready. Raises OSError, also when one is not ready in time."""
        self._directory.mkdir(parents=True, exist_ok=True)
        metrics = wire.Server(self._scraped)
        await metrics.start("127.0.0.1", 0)
        self._parts.push_async_callback(metrics.stop)
        self.metrics = metrics.port
        self._write()
        await self._run(
            "prometheus-alertmanager",
            self.alertmanager,
            "--config.file=alertmanager.yml",
            "--storage.path=alertmanager",
            "--cluster.listen-address=",
        )
        await self._run("prometheus", self.prometheus, "--config.file=prometheus.yml", "--storage.tsdb.path=prometheus")

    async def fires(self) -> None:
        self._value = HIGH

    async def resolves(self) -> None:
        self._value = LOW

    async def stop(self) -> None:
        await self._parts.aclose()

    async def _scraped(self, request: wire.Request) -> wire.Answer:
        body = f'# TYPE shop_error_ratio gauge\nshop_error_ratio{{service="{self._service}"}} {self._value}\n'
        return wire.Answer(200, body.encode(), {"Content-Type": "text/plain; version=0.0.4"})

    def _write(self) -> None:
        known = {
            "name": self.name,
            "service": self._service,
            "url": self._url,
            "key": self._key,
            "metrics": self.metrics,
            "alertmanager": self.alertmanager,
        }
        for file, text in {
            "prometheus.yml": _PROMETHEUS,
            "rules.yml": _RULES,
            "alertmanager.yml": _ALERTMANAGER,
        }.items():
            path = self._directory / file
            path.touch(mode=0o600)
            path.write_text(text.format(**known))

    async def _run(self, program: str, port: int, *arguments: str) -> None:
        with (self._directory / f"{program}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                program,
                f"--web.listen-address=127.0.0.1:{port}",
                *arguments,
                cwd=self._directory,
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        self._parts.push_async_callback(_end, process)
        await _ready(Client(f"http://127.0.0.1:{port}"), program)


async def _ready(client: Client, program: str) -> None:
    for _ in range(int(READY_WITHIN_S / 0.1)):
        try:
            if (await client.request("GET", "/-/ready")).status == 200:
                return
        except OSError:
            pass  # it does not listen yet
        await asyncio.sleep(0.1)
    raise TimeoutError(f"{program} was not ready within {READY_WITHIN_S:.0f} s")


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(GONE_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
