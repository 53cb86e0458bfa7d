"""How the rules behave on Prometheus's own engine where the generated tests do not look."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import quick_yaml
import yaml
from hypothesis import given
from hypothesis import strategies as st

import risk_rules
from risk_policy import Policy
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.limits import Kind
from risk_policy.catalogue.metrics import Metric
from risk_policy.contracts.artefact import ArtefactError, duration
from risk_policy.quantities import shown
from risk_rules import promql, wording

Write = Callable[[Path, dict[str, str]], Path]
Run = Callable[..., None]
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
def run(files: dict[str, str], write: Write, promtool: Promtool, tmp_path: Path) -> Run:
    """Runs one test against generated rule files and demands that it passes."""

    def tested(
        rules: tuple[str, ...], test: dict[str, Any], pace: str = "1s", about: str = ""
    ) -> None:
        own = {name: files[f"rules/{name}.yml"] for name in rules}
        if about:  # what a test over many hours is not about takes long
            own = {name: yaml.safe_dump(_about(about, text)) for name, text in own.items()}
        groups = [
            group["name"] for text in own.values() for group in quick_yaml.load(text)["groups"]
        ]
        content = {
            "rule_files": [f"{name}.yml" for name in own],
            "evaluation_interval": pace,
            "group_eval_order": groups,
            "tests": [{"interval": pace, **test}],
        }
        named = {f"{name}.yml": text for name, text in own.items()}
        write(tmp_path, {**named, "mine.yml": yaml.safe_dump(content)})
        done = promtool(tmp_path, "test", "rules", "mine.yml")
        assert done.returncode == 0, done.stdout + done.stderr

    return tested


def _about(limit: str, text: str) -> dict[str, Any]:
    """What of a rule file is about one limit."""
    groups = yaml.safe_load(text)["groups"]
    for group in groups:
        group["rules"] = [rule for rule in group["rules"] if rule["labels"].get("limit") == limit]
    return {"groups": groups}


def reported(account: str, values: str = "0+0x2000") -> list[dict[str, str]]:
    """What an exporter says of an account it knows."""
    return [
        {"series": f'risk_positions_open{{account="{account}"}}', "values": values},
        {"series": f'risk_snapshot_age_seconds{{account="{account}"}}', "values": values},
    ]


def counted(selector: str, second: int, count: int) -> dict[str, Any]:
    """So many alerts fire at a time."""
    alerts = f'ALERTS{{alertstate="firing",{selector}}}'
    found = [{"value": int(count)}] if count else []
    return {"expr": f"count({alerts})", "eval_time": f"{second}s", "exp_samples": found}


def test_awkward_identities_survive_as_they_are(run: Run, policy: Policy) -> None:
    inputs, expected = [], []
    static = {
        "limit": "sector_concentration", "tier": "critical", "severity": "critical",
        "escalation": "none", "category": "portfolio", "layer": "pre_trade",
        "action": "block_trade",
    }  # fmt: skip
    for text in AWKWARD:
        named = {"risk_id": f"sector_concentration/main/{text}", "account": "main", "sector": text}
        inside = ", ".join(f"{name}={promql.quoted(value)}" for name, value in named.items())
        inputs.append({"series": f"risk_sector_concentration_ratio{{{inside}}}", "values": "0.75"})
        annotations = {
            "summary": f"Too much of the portfolio is in sector {text} (account main)",
            "description": f"Sector concentration of {text} (account main) is 75%; the critical "
            "threshold is 70%, and it clears at 66.5%. Measured: absolute notional held in a "
            "sector divided by equity. The share held in one sector is beyond what the policy "
            "allows.",
            "value": "75%",
            "threshold": "70%",
            "runbook_url": "http://127.0.0.1:9465/runbooks/SECTOR_CONCENTRATION_BREACH",
            "policy_digest": policy.digest,
        }
        expected.append({"exp_labels": {**named, **static}, "exp_annotations": annotations})
    check = {
        "eval_time": "0s",
        "alertname": "SECTOR_CONCENTRATION_BREACH",
        "exp_alerts": expected,
    }
    run(("sector_concentration",), {"input_series": inputs, "alert_rule_test": [check]})


@pytest.mark.parametrize("linger", ["", 'held="unreported", '], ids=["reported", "held"])
def test_what_a_restart_leaves_behind_neither_ends_a_breach_nor_stops_its_rules(
    linger: str, run: Run
) -> None:
    # No stale markers are written when Prometheus ends: for a while its last samples stay.
    about = 'limit="drawdown", account="main", risk_id="drawdown/main"'
    known = 'risk:account_known_until_seconds{account="main", group="drawdown"}'
    inputs = [
        {"series": known, "values": "600"},
        {"series": f"risk:limit_raw{{{linger}{about}}}", "values": "0.12"},
        {"series": f"risk:limit_value{{{about}}}", "values": "0.12"},
        # At first nobody reports the account, then somebody does.
        *reported("main", "_x10 0+0x50"),
        {"series": 'risk_drawdown_ratio{account="main", risk_id="drawdown/main"}',
         "values": "_x10 0.13+0x50"},
    ]  # fmt: skip
    value = 'max by (account) (risk:limit_value{limit="drawdown"})'
    begun = 'count by (account) (risk:breach_since_seconds{limit="drawdown"} == 0)'
    checks = [
        {"expr": expression, "eval_time": f"{second}s",
         "exp_samples": [{"labels": '{account="main"}', "value": expected}]}
        for second in (0, 1, 5, 9, 15, 50)
        for expression, expected in ((value, 0.12 if second < 10 else 0.13), (begun, 1))
    ]  # fmt: skip
    run(("drawdown",), {"input_series": inputs, "promql_expr_test": checks})


def test_a_breached_account_is_never_without_an_alert_while_its_exporter_dies(run: Run) -> None:
    inputs = [
        {"series": 'up{job="riskwarden-exporter", instance="one"}', "values": "1+0x5 0+0x29"},
        {
            "series": 'risk_drawdown_ratio{risk_id="drawdown/main", account="main"}',
            "values": "0.25+0x5 stale _x29",
        },
        *reported("main", "0+0x5 stale _x29"),
    ]
    breach = [counted('alertname="DRAWDOWN_EMERGENCY"', second, 1) for second in range(35)]
    down = [counted('alertname="RISK_EXPORTER_DOWN"', second, second >= 16) for second in (14, 16)]
    checks = [*breach, *down]
    run(("drawdown", "system"), {"input_series": inputs, "promql_expr_test": checks})


def test_one_lost_scrape_does_not_resolve_a_position_but_closing_it_does_at_once(
    run: Run,
) -> None:
    def series(account: str, values: str) -> dict[str, str]:
        named = f'risk_id="position_loss/{account}/X", account="{account}", symbol="X"'
        return {"series": f"risk_position_return_ratio{{{named}}}", "values": values}

    inputs = [
        series("lost", "-0.2+0x5 stale -0.2+0x10"),
        *reported("lost", "0+0x5 stale 0+0x10"),
        series("closed", "-0.2+0x5 stale _x10"),
        *reported("closed"),
    ]
    critical = 'alertname="POSITION_LOSS_CRITICAL",account="{}"'
    lost = [counted(critical.format("lost"), second, 1) for second in range(16)]
    closed = [counted(critical.format("closed"), second, second < 6) for second in range(16)]
    run(("position_loss",), {"input_series": inputs, "promql_expr_test": [*lost, *closed]})


def test_what_nobody_answers_for_half_an_hour_asks_about_the_kill_switch(run: Run) -> None:
    inputs = [
        {"series": f'risk_drawdown_ratio{{risk_id="drawdown/{name}", account="{name}"}}',
         "values": "0.12+0x200"}
        for name in ("alone", "answered")
    ]  # fmt: skip
    ack = 'risk_ack_until_seconds{risk_id="drawdown/answered", tier="warning"}'
    inputs.append({"series": ack, "values": "100000+0x200"})
    name = 'alertname="KILL_SWITCH_EVALUATION",account="{}"'
    checks = [
        counted(name.format("alone"), 1770, 0),
        counted(name.format("alone"), 1800, 1),
        counted(name.format("answered"), 2700, 0),
    ]
    test = {"input_series": inputs, "promql_expr_test": checks}
    run(("drawdown", "guard"), test, pace="30s")


def test_ten_breaches_of_one_kind_are_a_storm_and_nine_are_none(run: Run) -> None:
    def series(account: str, symbol: int) -> dict[str, str]:
        named = f'account="{account}", symbol="{symbol}"'
        risk_id = f'risk_id="position_loss/{account}/{symbol}"'
        return {
            "series": f"risk_position_return_ratio{{{risk_id}, {named}}}",
            "values": f"{' '.join(['-0.01'] * symbol)} -0.2+0x60".strip(),
        }

    test = {
        "input_series": [series("main", symbol) for symbol in range(10)],
        "promql_expr_test": [
            counted('alertname="ALERT_STORM",of_tier="critical"', 8 * 30, 0),
            counted('alertname="ALERT_STORM",of_tier="critical"', 9 * 30, 1),
            # The first of them is a quarter of an hour old.
            counted('alertname="ALERT_STORM",of_tier="critical"', 870, 1),
            counted('alertname="ALERT_STORM",of_tier="critical"', 900, 0),
        ],
    }
    run(("position_loss", "guard"), test, pace="30s")


def test_infinity_is_beyond_every_threshold(run: Run) -> None:
    inputs = [
        {"series": 'risk_position_size_ratio{risk_id="a", symbol="a"}', "values": "Inf"},
        {"series": 'risk_daily_pnl_ratio{risk_id="b", account="b"}', "values": "-Inf"},
    ]
    checks = [
        counted(f'alertname="{name}"', 1, 1)
        for name in ("POSITION_SIZE_BREACH", "DAILY_LOSS_BREACH")
    ]
    run(("position_size", "daily_loss"), {"input_series": inputs, "promql_expr_test": checks})


def test_numbers_are_worded_as_prometheus_words_them(
    write: Write, promtool: Promtool, tmp_path: Path
) -> None:
    ratios = [0.2, 0.200001, -0.05, -0.051234, 1.0, 9.999, 12.3456, 1e-7, 0.29, 123456.7]
    times = [0.5, 1, 10.001, 59.9, 60, 61.7, 3599, 3661, 86399, 90061]
    rules = [
        {
            "alert": "Worded",
            "expr": 'x{kind="ratio"} or y{kind="ratio"}',
            "annotations": {"text": "{{ $value | humanizePercentage }}"},
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
                "exp_annotations": {"text": shown(Kind.RATIO, value)},
            }
            for n, value in enumerate(ratios)
        ],
        "Timed": [
            {"exp_labels": {"n": str(n)}, "exp_annotations": {"text": shown(Kind.TIME, value)}}
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


def test_the_policy_digest_drifts_only_between_running_parts(run: Run, policy: Policy) -> None:
    """Two components on the policy of the rules are no drift."""
    inputs = [
        {
            "series": f'risk_policy_info{{component="{name}", digest="{policy.digest}"}}',
            "values": "1+0x60",
        }
        for name in ("exporter", "receivers")
    ]
    check = {"eval_time": "60s", "alertname": "RISK_POLICY_DRIFT", "exp_alerts": []}
    run(("system", "recorded"), {"input_series": inputs, "alert_rule_test": [check]})


def test_that_the_chain_was_cut_or_rewritten_is_not_over_because_it_goes_on(run: Run) -> None:
    events, head = "risk_audit_chain_size", 'risk_audit_chain_head_word{word="0"}'
    cut, other = (f'alertname="RISK_AUDIT_CHAIN_{how}"' for how in ("TRUNCATED", "REWRITTEN"))
    rewritten = [{"series": events, "values": "10x99 11+1x300"},
                 {"series": head, "values": "1x9 2x89 3+1x300"}]  # fmt: skip
    run(("system",), {"input_series": rewritten, "promql_expr_test": [
        counted(other, 9, 0), counted(other, 12, 1), counted(other, 300, 1),
    ]}, about="audit_rewritten")  # fmt: skip
    day = 24 * 3600
    run(("system",), {"input_series": [{"series": events, "values": "10x9 7x9 8+1x2000"}],
        "promql_expr_test": [
            counted(cut, 540, 0), counted(cut, 660, 1),
            counted(f'severity="emergency",{cut}', 3600, 1),
            counted(cut, day, 2), counted(cut, day + 3600, 0),
    ]}, "60s", about="audit_truncated")  # fmt: skip
