"""Every expression is PromQL, and asks for nothing that nobody exports."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grafana_queries
import pytest
import yaml
from grafana_queries import Asked, queries, replaced
from promql_parser import AggregateExpr, VectorSelector, parse

from risk_policy.catalogue.limits import LIMITS
from risk_policy.catalogue.metrics.foreign import ALERTS
from risk_policy.contracts.alert import IDENTITY_LABELS
from risk_rules.lint import known
from risk_rules.lint.tree import walk

SCRAPE_SECONDS = 1.0
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
ALL = list(queries())


def plain(asked: Asked) -> str:
    return replaced(asked.expression, scrape_seconds=SCRAPE_SECONDS, range_seconds=3600)


def selectors(asked: Asked) -> Iterator[VectorSelector]:
    return (node for node in walk(parse(plain(asked))) if isinstance(node, VectorSelector))


def labels_of(selector: VectorSelector) -> frozenset[str] | None:
    """What all it asks for has. What alerts have beside what every one has depends on them."""
    if selector.name is None:
        (names,) = [one.value for one in selector.matchers.matchers if one.name == "__name__"]
        each = [known.exported_labels(name) for name in names.split("|")]
        return frozenset.intersection(*(one or frozenset() for one in each)) | {"__name__"}
    own = known.exported_labels(str(selector.name))
    return own and own | frozenset(ALERTS.labels if selector.name == ALERTS.name else ())


def test_there_is_something_to_ask() -> None:
    assert len(ALL) > 250
    assert len({one.dashboard for one in ALL}) == 10


def test_every_metric_and_label_is_in_the_catalogue() -> None:
    seen = set()
    for asked in ALL:
        for selector in selectors(asked):
            labels = labels_of(selector)
            assert labels is not None, f"{selector.name}: {asked}"
            for matcher in selector.matchers.matchers:
                assert matcher.name in labels, f"{selector.name} has no {matcher.name}: {asked}"
            seen.add(selector.name)
    assert "risk_threshold" in seen
    assert "risk_pipeline_stage_seconds_bucket" in seen


@pytest.mark.parametrize("name", ["amazon-managed-prometheus", "grafana-cloud", "new-relic"])
def test_what_prometheus_sends_elsewhere_is_enough_for_every_dashboard(name: str) -> None:
    file = grafana_queries.GENERATED.parents[1] / "deploy" / "remote-write" / f"{name}.yml"
    (target,) = yaml.safe_load(file.read_text("utf-8"))["remote_write"]
    (rule,) = target["write_relabel_configs"]
    assert (rule["source_labels"], rule["action"]) == (["__name__"], "keep")
    named = (selector.name for asked in ALL for selector in selectors(asked))
    missing = {str(one) for one in named if one and not re.fullmatch(rule["regex"], str(one))}
    assert not missing


def test_thresholds_are_asked_for_limits_that_there_are() -> None:
    names = {limit.name for limit in LIMITS}
    for asked in ALL:
        for selector in selectors(asked):
            for matcher in selector.matchers.matchers:
                if matcher.name == "limit":
                    assert set(matcher.value.split("|")) <= names, asked


def test_what_is_grouped_by_is_a_label_that_something_in_it_has() -> None:
    for asked in ALL:
        for node in walk(parse(plain(asked))):
            if not isinstance(node, AggregateExpr) or node.modifier is None:
                continue
            inside = [one for one in walk(node.expr) if isinstance(one, VectorSelector)]
            has = {name for one in inside for name in labels_of(one) or ()}
            has |= set(IDENTITY_LABELS) if any(":" in str(one.name) for one in inside) else set()
            assert set(node.modifier.labels) <= has, asked


def test_promtool_takes_all_of_them(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.fail("promtool is needed; ./dev installs it")
    rules = [
        {"record": "dashboard:query", "expr": plain(asked), "labels": {"number": str(number)}}
        for number, asked in enumerate(ALL)
    ]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(
        [promtool, "check", "rules", "--lint=none", path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_legend_names_labels_that_are_left(dashboards: dict[str, dict[str, Any]]) -> None:
    for board in dashboards.values():
        for panel in grafana_queries.panels(board):
            for target in panel["targets"]:
                names = _PLACEHOLDER.findall(target["legendFormat"])
                grouped = re.match(r"(?:max|min|sum|count) by \(([^)]*)\)", target["expr"])
                if grouped and names:
                    assert set(names) <= set(grouped[1].split(", ")), target
