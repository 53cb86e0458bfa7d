"""Breaches that begin are counted right at every point, whatever a value does."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from left_open import left_open, ranges

from risk_policy import Policy
from risk_policy.contracts.artefact import duration
from risk_rules.frequency import PARTS, window_seconds
from risk_rules.groups import rule_files

Promtool = Callable[..., subprocess.CompletedProcess[str]]

POINTS = 700
#: Drawdown's mildest tier in the default policy, and values on each side of both its levels.
TRIGGER, CLEAR = 0.10, 0.095
BELOW, BETWEEN, BEYOND = 0.05, 0.0975, 0.12


def flapping(seed: int, moods: int) -> list[list[float]]:
    """Several values that stay, hover and cross, each with a pace of its own."""
    random_ = random.Random(seed)
    series: list[list[float]] = []
    for _ in range(moods):
        pace = random_.choice((1, 2, 5, 20))
        values: list[float] = []
        while len(values) < POINTS:
            value = random_.choice((BELOW, BETWEEN, BEYOND))
            values += [value] * random_.randint(1, pace)
        series.append(values[:POINTS])
    return series


def begins(values: list[float]) -> list[int | None]:
    """At each point, when the breach in force began: the latch, said again in plain words."""
    since: int | None = None
    result: list[int | None] = []
    for now, value in enumerate(values):
        if since is None:
            since = now if value > TRIGGER else None
        elif value <= CLEAR:
            since = None
        result.append(since)
    return result


def episodes(since: list[int | None], now: int, window: float) -> int:
    """How many breaches began within the window that ends now, its far edge left out."""
    return len({began for began in since[: now + 1] if began is not None and began > now - window})


@pytest.mark.parametrize("semantics", ["closed", "left-open"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_beginnings_are_counted_right_at_every_point(
    seed: int,
    semantics: str,
    policy_with: Callable[..., Policy],
    promtool: Promtool,
    tmp_path: Path,
) -> None:
    policy = policy_with(("\nwindow_minutes = 15", "\nwindow_minutes = 6"))
    values = flapping(seed, moods=4)
    groups = [group.document() for group in rule_files(policy)["drawdown"]]
    windows = [window_seconds(policy, part) for part in PARTS]
    # One group, as promtool takes groups in any order and counts follow breaches.
    rules = [
        rule
        for group in groups
        if not group["name"].endswith("-trend")
        for rule in group["rules"]
        if "record" in rule
    ]
    text = json.dumps({"groups": [{"name": "counting", "rules": rules}]})
    if semantics == "left-open":
        assert ranges(text) >= len(PARTS)
        text = left_open(text)
    series = [
        {
            "series": f'risk_drawdown_ratio{{account="a{n}", risk_id="drawdown/a{n}"}}',
            "values": " ".join(str(value) for value in line),
        }
        for n, line in enumerate(values)
    ]
    since = [begins(line) for line in values]
    checks = [
        {
            "expr": f'risk:breach_episodes{{tier="warning",window="{duration(window)}"}}',
            "eval_time": f"{now}s",
            "exp_samples": [
                {
                    "labels": f'risk:breach_episodes{{account="a{n}", risk_id="drawdown/a{n}", '
                    f'limit="drawdown", tier="warning", window="{duration(window)}"}}',
                    "value": count,
                }
                for n, began in enumerate(since)
                if (count := episodes(began, now, window))
            ],
        }
        for now, window in itertools.product(range(POINTS), windows)
    ]
    test = {"interval": "1s", "input_series": series, "promql_expr_test": checks}
    # JSON is YAML, and written in a fraction of the time.
    (tmp_path / "rules.yml").write_text(text)
    (tmp_path / "test.yml").write_text(
        json.dumps({"rule_files": ["rules.yml"], "evaluation_interval": "1s", "tests": [test]})
    )
    done = promtool(tmp_path, "test", "rules", "test.yml")
    assert done.returncode == 0, " ".join((done.stdout + done.stderr).split())[:3000]
