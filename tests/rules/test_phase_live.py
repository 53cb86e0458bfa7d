"""A real Prometheus evaluates groups when their names say, and another name moves them."""

from __future__ import annotations

import json
import signal
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from free_ports import free_port
from loopback_prometheus import Part, Prometheus, serving, until

import risk_rules
from risk_policy import Policy
from risk_policy.model.stack import Endpoints
from risk_rules import phase

METRICS = b'risk_drawdown_ratio{account="main",risk_id="drawdown/main"} 0.01\n'
#: Enough groups to tell by, and no more.
FILES = ("drawdown", "var", "cvar")


class Exporter(Part):
    def scraped(self) -> None:
        self.answer(METRICS)


def test_a_name_moves_a_group_to_the_moment_that_was_reckoned(
    policy: Policy, write: Callable[[Path, dict[str, str]], Path], tmp_path: Path
) -> None:
    own = free_port()
    with serving(Exporter) as part:
        everywhere = f"127.0.0.1:{part}"
        at = Endpoints(
            exporter=everywhere,
            receivers=everywhere,
            alertmanager=everywhere,
            prometheus=f"127.0.0.1:{own}",
        )
        rules = risk_rules.generate_rules(policy)
        files = {name: rules[name] for name in (f"rules/{one}.yml" for one in FILES)}
        write(tmp_path, {**files, "prometheus.yml": risk_rules.prometheus_config(policy, at)})
        prometheus = Prometheus(tmp_path, own)
        prometheus.start()
        try:
            told: list[phase.Layout] = []

            def is_told() -> bool:
                told.extend(filter(None, [phase.layout_of(groups(own))]))
                return bool(told)

            until(is_told, "groups tell how they are laid out", 60)
            layout = told[0]
            (group,) = [one for one in groups(own) if one.name == "riskwarden-drawdown"]
            before = phase.offset_seconds(group, layout, group.name)
            until(lambda: recorded(own, 0.0), "something is recorded", 60)
            assert all(abs(one - before) <= 0.001 for one in recorded(own, 0.0))

            moment = phase.Moment([before + 0.5], group.interval_seconds)
            name = phase.chosen(group, layout, moment)
            after = phase.offset_seconds(group, layout, name)
            path = tmp_path / "rules/drawdown.yml"
            path.write_text(
                phase.renamed(path.read_text(encoding="utf-8"), {group.name: name}),
                encoding="utf-8",
            )
            prometheus.signal(signal.SIGHUP)
            until(lambda: name in {one.name for one in groups(own)}, "it is loaded", 60)
            since = time.time()
            until(lambda: recorded(own, since), "something is recorded under it", 60)
            assert all(abs(one - after) <= 0.001 for one in recorded(own, since))
        finally:
            prometheus.end()


def groups(port: int) -> list[phase.Seen]:
    """As the server says they were evaluated last."""
    return [
        phase.Seen(one["file"], one["name"], one["interval"], moment_of(one["lastEvaluation"]))
        for one in asked(port, "/api/v1/rules")["groups"]
    ]


def moment_of(text: str) -> float | None:
    if text.startswith("0001-"):
        return None
    return datetime.fromisoformat(text[:26].rstrip("Z") + "+00:00").timestamp()


def recorded(port: int, since: float) -> set[float]:
    """How far past a second samples of the group are, to the millisecond that they are kept to."""
    query = urllib.parse.quote('risk:limit_value{limit="drawdown"}[60s]')
    return {
        round(at % 1.0, 3)
        for series in asked(port, f"/api/v1/query?query={query}")["result"]
        for at, _ in series["values"]
        if at > since
    }


def asked(port: int, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)["data"]
        return found
