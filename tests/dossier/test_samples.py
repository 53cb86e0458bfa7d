"""A Prometheus that runs and the files that it leaves tell the same samples."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from free_ports import free_port
from loopback_prometheus import Part, Prometheus, serving

from risk_policy.vocabulary import Tier
from riskwarden.dossier.samples import (
    LeftSamples,
    Line,
    LiveSamples,
    Sample,
    SamplesError,
    first_of,
    selector,
)
from riskwarden.dossier.watched import watched

#: An hour ago: what is much older Prometheus would forget.
BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
ALERT = {"limit": "drawdown", "risk_id": 'drawdown/ma"in', "tier": "critical"}
_ID = 'risk_id="drawdown/ma\\"in"'
#: What was scraped: drawdown by second.
DRAWDOWN = [0.05, 0.09, 0.16, 0.13, 0.21]


def later(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a Prometheus has left: a figure, its thresholds and since when it was beyond one."""
    root = tmp_path_factory.mktemp("prometheus")
    since = BEGAN.timestamp()
    lines = ["# TYPE risk_drawdown_ratio gauge"]
    lines += [
        f'risk_drawdown_ratio{{account="main",{_ID}}} {value} {since + number}'
        for number, value in enumerate(DRAWDOWN)
    ]
    lines.append("# TYPE risk_threshold gauge")
    lines += [
        f'risk_threshold{{limit="drawdown",tier="{tier}"}} {bound} {since + number}'
        for tier, bound in (("critical", 0.15), ("emergency", 0.2), ("warning", 0.1))
        for number in range(5)
    ]
    lines.append("# TYPE risk:breach_since_seconds gauge")
    lines += [
        f'risk:breach_since_seconds{{{_ID},tier="critical"}} {since + 1.5} {since + number}'
        for number in (2, 3, 4)
    ]
    (root / "samples.txt").write_text("\n".join([*lines, "# EOF", ""]))
    made = subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "samples.txt", "data"],
        cwd=root,
        capture_output=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return root


@pytest.fixture(scope="module")
def live(folder: Path) -> Iterator[LiveSamples]:
    """A Prometheus that has them."""
    (folder / "prometheus.yml").write_text("global: {}\n")
    port = free_port()
    server = Prometheus(folder, port)
    server.start()
    yield LiveSamples(f"http://127.0.0.1:{port}")
    server.end()


def test_files_and_server_tell_the_same(folder: Path, live: LiveSamples) -> None:
    left = LeftSamples(folder / "data")
    for metric, labels in (
        ("risk_drawdown_ratio", {"risk_id": ALERT["risk_id"]}),
        ("risk:breach_since_seconds", {"tier": "critical"}),
        ("risk_drawdown_ratio", {"account": "other"}),
    ):
        asked = (metric, labels, later(0), later(10))
        assert [(one.labels, one.samples) for one in left.lines(*asked)] == [
            (one.labels, one.samples) for one in live.lines(*asked)
        ]
    (line,) = left.lines("risk_drawdown_ratio", {}, later(0), later(10))
    assert [sample.value for sample in line.samples] == DRAWDOWN
    assert [sample.at for sample in line.samples] == [later(n) for n in range(5)]
    assert line.labels["risk_id"] == ALERT["risk_id"]


def test_what_an_alert_watched_is_known_with_its_thresholds(folder: Path) -> None:
    found = watched(ALERT, later(2), later(4), [LeftSamples(folder / "data")])
    assert found.why_not == ""
    assert found.thresholds == {Tier.WARNING: 0.1, Tier.CRITICAL: 0.15, Tier.EMERGENCY: 0.2}
    assert found.breached_at == later(1.5)
    seen = [(found.at(later(n)), n) for n in (-1, 0.5, 2.9, 4, 400)]
    assert [one and (one.value, one.at) for one, _ in seen] == [
        None, (0.05, later(0)), (0.16, later(2)), (0.21, later(4)), None,
    ]  # fmt: skip
    assert [found.tier_of(value) for value in (0.05, 0.1, 0.11, 0.16, 0.9)] == [
        None, None, Tier.WARNING, Tier.CRITICAL, Tier.EMERGENCY,
    ]  # fmt: skip


def test_a_limit_that_small_values_breach_is_read_the_other_way(folder: Path) -> None:
    loss = watched({**ALERT, "limit": "daily_loss"}, later(2), later(4), [])
    assert "there is no Prometheus to ask" in loss.why_not
    assert loss.limit is not None
    line = Line({}, (Sample(later(0), -0.05), Sample(later(1), -0.01)))
    milder = Line({}, (Sample(later(0), -0.02),))
    seen = type(loss)(loss.limit, (milder, line), {Tier.WARNING: -0.03, Tier.CRITICAL: -0.04})
    assert seen.tier_of(-0.035) is Tier.WARNING
    assert seen.tier_of(0.5) is None
    worst = seen.at(later(0.5))
    assert worst is not None
    assert worst.value == -0.05


def test_an_alert_that_watches_no_figure_says_so() -> None:
    assert "watches no figure" in watched({"limit": "channel_failing"}, BEGAN, BEGAN, []).why_not


def test_the_files_answer_where_no_server_does(folder: Path) -> None:
    dead = LiveSamples(f"http://127.0.0.1:{free_port()}")
    found = watched(ALERT, later(2), later(4), [dead, LeftSamples(folder / "data")])
    assert found.source.startswith("Prometheus's files in")
    nowhere = watched(ALERT, later(2), later(4), [dead, LeftSamples(folder / "nowhere")])
    assert "does not answer" in nowhere.why_not
    assert "has left nothing here" in nowhere.why_not


def test_what_was_forgotten_is_said(folder: Path) -> None:
    long_ago = later(-86_400)
    found = watched(ALERT, long_ago, long_ago, [LeftSamples(folder / "data")])
    assert "has no samples of that time" in found.why_not
    assert found.lines == ()


class NoPrometheus(Part):
    """Something else that listens there."""

    def scraped(self) -> None:
        self.answer(b"<html>hello</html>")


def test_who_is_no_prometheus_is_not_believed() -> None:
    with serving(NoPrometheus) as port, pytest.raises(SamplesError, match="not answer as Prom"):
        first_of(
            [LiveSamples(f"http://127.0.0.1:{port}")],
            lambda one: one.lines("up", {}, later(0), later(1)),
        )


def test_a_selector_is_quoted() -> None:
    assert selector("up", {"a": 'x"\\\n', "b": "ü😀"}) == 'up{a="x\\"\\\\\\n",b="ü😀"}'
