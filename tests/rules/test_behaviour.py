"""How the rules behave on Prometheus's own engine where the generated tests do not look."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import risk_rules
from risk_policy import Policy
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics import Metric
from risk_policy.contracts.artefact import ArtefactError, duration
from risk_rules import promql, wording

Write = Callable[[Path, dict[str, str]], Path]
Promtool = Callable[..., subprocess.CompletedProcess[str]]

AWKWARD = (
    'quote " inside',
    "back\\slash",
    "{{ $value }}",
    "Zürich 株式 💥",
    "it's <b>&amp;",
    "line\nbreak",
    "$labels.account %s %d",
    "a/b|c.*",
    "tab\tand \x7f",
    "\u202ereversed",
)


@pytest.fixture
def run(
    policy: Policy, write: Write, promtool: Promtool, tmp_path: Path
) -> Callable[[list[dict[str, Any]]], None]:
    """Runs tests against the generated rules and demands that they pass."""

    def tested(tests: list[dict[str, Any]]) -> None:
        content = {
            "rule_files": ["riskwarden.rules.yml"],
            "evaluation_interval": "1s",
            "tests": tests,
        }
        write(tmp_path, {**risk_rules.generate(policy), "mine.yml": yaml.safe_dump(content)})
        done = promtool(tmp_path, "test", "rules", "mine.yml")
        assert done.returncode == 0, done.stdout + done.stderr

    return tested


def test_awkward_identities_survive_as_they_are(
    run: Callable[[list[dict[str, Any]]], None], policy: Policy
) -> None:
    inputs, expected = [], []
    spec = yaml.safe_load(risk_rules.generate(policy)["riskwarden.rules.yml"])
    rules = [rule for group in spec["groups"] for rule in group["rules"]]
    static = next(r["labels"] for r in rules if r.get("alert") == "SECTOR_CONCENTRATION_BREACH")
    for text in AWKWARD:
        named = {"risk_id": f"sector_concentration/main/{text}", "account": "main", "sector": text}
        inside = ", ".join(f"{name}={promql.quoted(value)}" for name, value in named.items())
        inputs.append({"series": f"risk_sector_concentration_ratio{{{inside}}}", "values": "0.75"})
        annotations = {
            "summary": f"Too much of the portfolio is in sector {text} (account main)",
            "description": f"Sector concentration of {text} (account main) is 75%, above the "
            "critical threshold of 70%. Measured: absolute notional held in a sector divided by "
            "equity. The share held in one sector is beyond what the policy allows.",
            "runbook_url": "http://127.0.0.1:9465/runbooks/SECTOR_CONCENTRATION_BREACH",
            "policy_digest": policy.digest,
        }
        expected.append({"exp_labels": {**named, **static}, "exp_annotations": annotations})
    check = {
        "eval_time": "0s",
        "alertname": "SECTOR_CONCENTRATION_BREACH",
        "exp_alerts": expected,
    }
    run([{"interval": "1s", "input_series": inputs, "alert_rule_test": [check]}])


def test_a_breached_account_is_never_without_an_alert_while_its_exporter_dies(
    run: Callable[[list[dict[str, Any]]], None],
) -> None:
    inputs = [
        {"series": 'up{job="riskwarden-exporter", instance="one"}', "values": "1+0x5 0+0x29"},
        {
            "series": 'risk_drawdown_ratio{risk_id="drawdown/main", account="main"}',
            "values": "0.25+0x5 stale _x29",
        },
    ]
    watched = 'ALERTS{alertname=~"DRAWDOWN_EMERGENCY|RISK_EXPORTER_DOWN",alertstate="firing"}'
    checks = [
        {
            "expr": f"min(count({watched}) > bool 0)",
            "eval_time": f"{second}s",
            "exp_samples": [{"value": 1}],
        }
        for second in range(35)
    ]
    gone = {
        "expr": 'ALERTS{alertname="DRAWDOWN_EMERGENCY",alertstate="firing"}',
        "eval_time": "34s",
        "exp_samples": [],
    }
    run([{"interval": "1s", "input_series": inputs, "promql_expr_test": [*checks, gone]}])


def test_one_lost_scrape_does_not_resolve_a_position_but_closing_it_does_soon(
    run: Callable[[list[dict[str, Any]]], None],
) -> None:
    series = 'risk_position_return_ratio{{risk_id="{0}", account="main", symbol="{0}"}}'
    inputs = [
        {"series": series.format("lost"), "values": "-0.2+0x5 stale -0.2+0x10"},
        {"series": series.format("closed"), "values": "-0.2+0x5 stale _x10"},
    ]
    firing = 'ALERTS{alertname="POSITION_LOSS_CRITICAL",alertstate="firing",symbol="%s"}'
    held = [
        {
            "expr": f"count({firing % 'lost'})",
            "eval_time": f"{second}s",
            "exp_samples": [{"value": 1}],
        }
        for second in range(16)
    ]
    closed = {"expr": firing % "closed", "eval_time": "9s", "exp_samples": []}
    run([{"interval": "1s", "input_series": inputs, "promql_expr_test": [*held, closed]}])


def test_infinity_is_beyond_every_threshold(
    run: Callable[[list[dict[str, Any]]], None],
) -> None:
    inputs = [
        {"series": 'risk_position_size_ratio{risk_id="a", symbol="a"}', "values": "Inf"},
        {"series": 'risk_daily_pnl_ratio{risk_id="b", account="b"}', "values": "-Inf"},
    ]
    checks = [
        {
            "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})',
            "eval_time": "1s",
            "exp_samples": [{"value": 1}],
        }
        for name in ("POSITION_SIZE_BREACH", "DAILY_LOSS_BREACH")
    ]
    run([{"interval": "1s", "input_series": inputs, "promql_expr_test": checks}])


def test_numbers_are_worded_as_prometheus_words_them(
    write: Write, promtool: Promtool, tmp_path: Path
) -> None:
    ratios = [0.2, 0.200001, -0.05, -0.051234, 1.0, 9.999, 12.3456, 1e-7, 0.29, 123456.7]
    times = [0.5, 1, 10.001, 59.9, 60, 61.7, 3599, 3661, 86399, 90061]
    rules = [
        {
            "alert": "Worded",
            "expr": 'x{kind="ratio"} or y{kind="ratio"}',
            "annotations": {"text": wording.PERCENT_VALUE},
        },
        {"alert": "Timed", "expr": "t", "annotations": {"text": wording.DURATION_VALUE}},
    ]
    worded = [
        {"series": f'x{{kind="ratio", n="{n}"}}', "values": promql.number(value)}
        for n, value in enumerate(ratios)
    ]
    timed = [
        {"series": f't{{n="{n}"}}', "values": promql.number(value)} for n, value in enumerate(times)
    ]
    expected = {
        "Worded": [
            {
                "exp_labels": {"kind": "ratio", "n": str(n)},
                "exp_annotations": {"text": wording.percent(value)},
            }
            for n, value in enumerate(ratios)
        ],
        "Timed": [
            {"exp_labels": {"n": str(n)}, "exp_annotations": {"text": wording.seconds(value)}}
            for n, value in enumerate(times)
        ],
    }
    test = {
        "interval": "1s",
        "input_series": [*worded, *timed],
        "alert_rule_test": [
            {"eval_time": "0s", "alertname": name, "exp_alerts": alerts}
            for name, alerts in expected.items()
        ],
    }
    write(
        tmp_path,
        {
            "r.yml": json.dumps({"groups": [{"name": "g", "rules": rules}]}),
            "t.yml": json.dumps(
                {"rule_files": ["r.yml"], "evaluation_interval": "1s", "tests": [test]}
            ),
        },
    )
    done = promtool(tmp_path, "test", "rules", "t.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_as_the_same_float(value: float) -> None:
    assert float(promql.number(value)) == value


@given(st.integers(min_value=0, max_value=31_536_000_000))
def test_a_duration_reads_back_as_the_same_time(milliseconds: int) -> None:
    text = duration(milliseconds / 1000)
    sizes = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
    digits = text.rstrip("dhms")
    assert int(digits) * sizes[text.removeprefix(digits)] == milliseconds


@pytest.mark.parametrize("seconds", [-1.0, 0.0001, 1.00005])
def test_a_duration_that_prometheus_cannot_tell_is_refused(seconds: float) -> None:
    with pytest.raises(ArtefactError, match="milliseconds"):
        duration(seconds)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_threshold_that_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(risk_rules.ExpressionError):
        promql.number(value)


def test_a_label_that_the_metric_does_not_have_is_refused() -> None:
    with pytest.raises(risk_rules.ExpressionError, match="has no label 'symbol'"):
        promql.aggregate("max", m.DRAWDOWN, ("symbol",), "x")
    with pytest.raises(risk_rules.ExpressionError, match="no metric name"):
        promql.series(Metric("risk drawdown", ""))
    with pytest.raises(risk_rules.ExpressionError, match="no sample"):
        promql.latest(m.DRAWDOWN, 0)


def test_the_policy_digest_drifts_only_between_running_parts(
    run: Callable[[list[dict[str, Any]]], None], policy: Policy
) -> None:
    """Two components on the policy of the rules are no drift."""
    inputs = [
        {
            "series": f'risk_policy_info{{component="{name}", digest="{policy.digest}"}}',
            "values": "1+0x60",
        }
        for name in ("exporter", "receivers")
    ]
    check = {"eval_time": "60s", "alertname": "RISK_POLICY_DRIFT", "exp_alerts": []}
    run([{"interval": "1s", "input_series": inputs, "alert_rule_test": [check]}])
