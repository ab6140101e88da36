"""Prometheus and Alertmanager as Debian packages them, on loopback, and the number that Prometheus watches."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from app.dev import wire

READY_WITHIN_S = 20.0

RULES = """
groups:
- name: shop
  rules:
  - alert: HighErrorRate
    expr: shop_error_ratio > 0.05
    labels: {severity: critical}
    annotations: {summary: "{{ $value | humanizePercentage }} of all requests fail"}
"""
PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
alerting:
  alertmanagers:
{alertmanagers}
scrape_configs:
- job_name: checkout
  static_configs: [{{targets: ["{shop}"]}}]
"""
ALERTMANAGER = """
route: {{receiver: tocsin, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
- name: tocsin
  webhook_configs: [{{url: "{webhook}", send_resolved: true}}]
"""


def wanted(*programs: str) -> None:
    """Skips the test where one of them is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} here: apt-get install {program}")


class Shop:
    """What is monitored: one number, scraped over HTTP."""

    def __init__(self) -> None:
        self.error_ratio = 0.0
        self._server = wire.Server(self._scraped)

    async def _scraped(self, request: wire.Request) -> wire.Answer:
        text = f"# TYPE shop_error_ratio gauge\nshop_error_ratio {self.error_ratio}\n"
        return wire.Answer(200, text.encode(), {"Content-Type": "text/plain; version=0.0.4"})

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Shop]:
        shop = cls()
        await shop._server.start("127.0.0.1", 0)
        yield shop
        await shop._server.stop()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.port}"


class Program:
    """One of the two, running. `address` is where it listens."""

    def __init__(self, name: str, directory: Path, *arguments: str) -> None:
        self.name, self.directory, self._arguments = name, directory, arguments
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = f"127.0.0.1:{free.getsockname()[1]}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Program]:
        with (self.directory / f"{self.name}.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                self.name, f"--web.listen-address={self.address}", *self._arguments,
                cwd=self.directory, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
            try:
                await self._ready()
                yield self
            finally:
                await self.kill()

    async def kill(self) -> None:
        """Without a word to anybody."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def _ready(self) -> None:
        async with httpx.AsyncClient() as http, asyncio.timeout(READY_WITHIN_S):
            while self._process.returncode is None:
                try:
                    if (await http.get(f"http://{self.address}/-/ready")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)
        raise AssertionError(f"{self.name} ended: {(self.directory / f'{self.name}.log').read_text()[-2000:]}")


def prometheus(directory: Path, shop: Shop, alertmanagers: str) -> Program:
    """`alertmanagers`: the items of that list, as YAML, indented by two."""
    wanted("prometheus")
    (directory / "rules.yml").write_text(RULES)
    (directory / "prometheus.yml").write_text(PROMETHEUS.format(alertmanagers=alertmanagers, shop=shop.address))
    return Program("prometheus", directory, "--config.file=prometheus.yml", "--storage.tsdb.path=prometheus")


def alertmanager(directory: Path, webhook: str) -> Program:
    return alertmanager_of(directory, ALERTMANAGER.format(webhook=webhook))


def alertmanager_of(directory: Path, configuration: str) -> Program:
    """With this configuration as it is, in YAML."""
    wanted("prometheus-alertmanager")
    (directory / "alertmanager.yml").write_text(configuration)
    arguments = ("--config.file=alertmanager.yml", "--storage.path=alertmanager", "--cluster.listen-address=")
    return Program("prometheus-alertmanager", directory, *arguments)
