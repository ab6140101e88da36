"""A node of a Kubernetes cluster dies, as kube-prometheus tells it: one incident and one page, by the example's rules.

Alert names and labels are those of kubernetes-mixin: KubeNodeNotReady and KubeNodeUnreachable carry `node`,
KubePodNotReady `namespace` and `pod`, KubeDeploymentReplicasMismatch `namespace` and `deployment`, TargetDown `job`,
`namespace` and `service`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from town import Town, minutes, seconds

from app.alerts.routing_rules import ROUTING_RULES
from app.incidents.correlation_rules import CORRELATION_RULES
from app.priority.assign import PRIORITY_RULES

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "kubernetes-rules.yaml"
COMMON = {"cluster": "eu-1", "prometheus": "monitoring/k8s"}
NAMESPACES = ("shop", "payments", "search", "monitoring")


def node() -> list[tuple[str, str, dict[str, str]]]:
    """Alert name, severity and labels of what is said about the node itself."""
    return [
        ("KubeNodeNotReady", "warning", {"node": "ip-10-2-3-4", "condition": "Ready", "status": "true"}),
        ("KubeNodeUnreachable", "warning", {"node": "ip-10-2-3-4", "effect": "NoSchedule"}),
    ]


def pods() -> list[tuple[str, str, dict[str, str]]]:
    return [
        ("KubePodNotReady", "warning", {"namespace": NAMESPACES[n % 4], "pod": f"api-{n:02}-5d9c7b6f4-x{n:02}"})
        for n in range(80)
    ]


def targets() -> list[tuple[str, str, dict[str, str]]]:
    return [
        ("TargetDown", "warning", {"namespace": NAMESPACES[n % 4], "job": f"job-{n}", "service": f"svc-{n}"})
        for n in range(25)
    ]


def workloads() -> list[tuple[str, str, dict[str, str]]]:
    mismatch = [
        ("KubeDeploymentReplicasMismatch", "warning", {"namespace": NAMESPACES[n % 4], "deployment": f"api-{n:02}"})
        for n in range(30)
    ]
    return [*mismatch, ("KubeDaemonSetRolloutStuck", "warning", {"namespace": "monitoring", "daemonset": "exporter"})]


async def tell(town: Town, said: list[tuple[str, str, dict[str, str]]], *, over: bool = False) -> None:
    sender = town.alertmanager
    alerts: list[Any] = []
    for name, severity, labels in said:
        given = {"alertname": name, "severity": severity} | COMMON | labels
        alerts.append(sender.alert(name, given, ended=sender.now if over else None))
    await sender.post("kubernetes", sender.body(*alerts))


async def test_a_dead_node_is_one_incident_and_one_page(town: Town) -> None:
    (ana,) = await town.people("Ana")
    await town.build.notification_rules(ana, [("loud", seconds(0), "sms"), ("quiet", seconds(0), "sms")])
    await town.service("kubernetes", policy=[ana, minutes(60)])
    rules = yaml.safe_load(EXAMPLE.read_text())
    assert sum(len(of_a_kind) for of_a_kind in rules.values()) <= 5
    for kind in (ROUTING_RULES, CORRELATION_RULES, PRIORITY_RULES):
        await town.build.rule_set(kind, rules[f"{kind.name}_rules"])

    await tell(town, pods()[:20])
    await town.wait(seconds(30))
    await tell(town, node())
    await town.wait(seconds(30))
    await tell(town, pods()[20:])
    await tell(town, targets())
    await town.wait(seconds(90))
    await tell(town, workloads())
    await town.wait(minutes(5))
    await ana.phone.expects_sms("P2", "KubeNodeNotReady")
    incident = await town.incident()
    assert (incident.priority, incident.firing) == (2, 2 + 80 + 25 + 31)
    assert await town.rows("SELECT 1 FROM storms") == []

    await ana.acknowledges()
    for said in (pods()[:40], node(), pods()[40:], targets(), workloads()):
        await town.wait(seconds(45))
        await tell(town, said, over=True)
    assert (await town.incident()).state == "resolved"
    await town.wait(minutes(30))
    town.nothing_else_arrived()


async def test_a_pod_that_is_moved_within_two_minutes_pages_nobody(town: Town) -> None:
    (ana,) = await town.people("Ana")
    await town.service("kubernetes", policy=[ana, minutes(60)])
    rules = yaml.safe_load(EXAMPLE.read_text())
    await town.build.rule_set(ROUTING_RULES, rules["routing_rules"])
    await tell(town, pods()[:10])
    await town.wait(seconds(100))
    await tell(town, pods()[:10], over=True)
    await town.wait(minutes(10))
    assert await town.incidents() == []
