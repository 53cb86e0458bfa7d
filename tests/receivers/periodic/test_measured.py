"""What a real Prometheus has measured, and what is said where it has measured nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from free_ports import free_port
from loopback_http import LoopbackServer, Reply
from loopback_prometheus import Prometheus

from risk_policy import parse_policy
from risk_receivers.document.markdown import markdown
from risk_receivers.periodic.kinds import KINDS
from risk_receivers.periodic.levels import levels
from risk_receivers.periodic.measured import Extreme, Measured, Up, measure
from risk_receivers.periodic.period import Period
from risk_receivers.periodic.subject import Subject
from risk_receivers.periodic.terms import Terms

Gather = Callable[..., Subject]
#: Two hours ago: what is much older Prometheus would forget.
BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
HOUR = Period(BEGAN, BEGAN + timedelta(hours=1))
#: Drawdown in each of the first thirty minutes; then nothing was measured.
DRAWDOWN = [0.01 * minute for minute in range(30)]


def series(name: str, labels: str, values: list[float]) -> list[str]:
    at = BEGAN.timestamp()
    return [f"# TYPE {name} gauge"] + [
        f"{name}{{{labels}}} {value} {at + 60 * minute + 1}" for minute, value in enumerate(values)
    ]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that scraped once a minute, for half an hour."""
    root = tmp_path_factory.mktemp("measured")
    lines = [
        *series("risk_drawdown_ratio", 'account="main"', DRAWDOWN),
        *series("risk_daily_pnl_ratio", 'account="main"', [-value for value in DRAWDOWN]),
        *series("risk_equity", 'account="main"', [1000.0 - minute for minute in range(30)]),
        *series("risk_audit_chain_size", 'job="riskwarden-receivers"', [35.0] * 30),
        *series("up", 'job="riskwarden-exporter"', [1.0] * 27 + [0.0] * 3),
        # Two of them, of which one is dead; and Prometheus about itself, who never sees it down.
        *series("up", 'job="alertmanager",instance="a"', [1.0] * 30)[1:],
        *series("up", 'job="alertmanager",instance="b"', [0.0] * 30)[1:],
        *series("up", 'job="prometheus"', [1.0] * 30)[1:],
        "# EOF",
        "",
    ]
    (root / "samples.txt").write_text("\n".join(lines))
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "samples.txt", "data"],
        cwd=root,
        capture_output=True,
        check=True,
    )
    (root / "prometheus.yml").write_text("global: {}\n")
    port = free_port()
    server = Prometheus(root, port)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.end()


@pytest.fixture(scope="module")
def measured(url: str) -> Measured:
    return measure(url, HOUR, scrape_seconds=60)


def test_extremes_and_how_much_of_the_period_they_cover(measured: Measured) -> None:
    assert measured.problem == ""
    assert measured.drawdown == {"main": Extreme(0.0, 0.29, 0.29)}
    assert measured.daily_pnl["main"].lowest == pytest.approx(-0.29)
    assert measured.equity == {"main": Extreme(971.0, 1000.0, 971.0)}
    assert measured.covered == {"main": 0.5}


def test_uptime_is_of_what_was_scraped_and_says_how_much_that_was(measured: Measured) -> None:
    assert measured.up == {
        "riskwarden-exporter": Up(0.9, 0.5),
        "alertmanager": Up(0.5, 0.5),
        "prometheus": Up(1.0, 0.5),
    }


def test_a_prometheus_that_was_down_half_of_the_time_has_not_met_its_uptime(
    measured: Measured, day: Path, gathered: Gather
) -> None:
    found = levels(gathered(day).told, HOUR, measured, Terms.of(parse_policy(b"")))
    verdicts = {one.name: one.verdict for one in found if one.name.startswith("uptime")}
    assert verdicts == {
        "uptime of Prometheus": "cannot be told",
        "uptime of exporter": "missed",
        "uptime of Alertmanager": "missed",
        "uptime of receivers": "no data",
    }


def test_a_line_holds_what_was_measured(measured: Measured) -> None:
    values = [point.value for point in measured.equity_line["main"] if point.value is not None]
    assert (max(values), min(values)) == (1000.0, 971.0)


def test_a_weekly_report_shows_it(measured: Measured, day: Path, gathered: Gather) -> None:
    said = markdown(KINDS["weekly"].write(replace(gathered(day), measured=measured)))
    assert "| main | 971.00 | 971.00 to 1,000.00 | -29% | 0% | 29% | 29% | 50% |" in said


def test_a_prometheus_that_has_seen_a_longer_chain_is_told_of_first(
    measured: Measured, day: Path, gathered: Gather
) -> None:
    known = replace(gathered(day), measured=measured)
    assert "has seen an audit chain" not in markdown(KINDS["daily"].write(known))
    longer = replace(known, measured=replace(measured, chain_size=36))
    said = markdown(KINDS["daily"].write(longer))
    assert "has seen an audit chain of 36 records: either it watches another stack" in said


def test_whatever_answers_that_is_no_prometheus_is_said_to_be_none() -> None:
    with LoopbackServer() as other:
        other.instead = lambda _: Reply(200, "<html>")
        found = measure(other.url, HOUR, scrape_seconds=1)
    assert "no answer of Prometheus's" in found.problem
    assert found.accounts == []
