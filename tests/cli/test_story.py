"""The story of a run is told from what was written down, whatever the order of reading."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from risk_policy import Policy
from risk_policy.vocabulary import Severity
from riskwarden.stack.layout import Layout
from riskwarden.stack.processes import Processes
from riskwarden.stack.screen import drawdown_bar, links, timeline
from riskwarden.stack.stack import Stack
from riskwarden.stack.story import Milestone, Story, first_sentence

AT = "2026-01-02T03:04:05.000000Z"


def day(drawdown: float, at: str = AT) -> dict[str, Any]:
    return {"kind": "day", "at": at, "market_date": "2008-10-02", "drawdown_ratio": drawdown}


def created(name: str, at: str = AT) -> tuple[str, str, dict[str, Any]]:
    labels = {"alertname": name, "risk_id": "drawdown/main"}
    details = {"labels": labels, "annotations": {"description": "A. B."}, "starts_at": at}
    return ("ALERT_CREATED", at, {"severity": "emergency", "details": details, "message": name})


def test_the_breach_is_the_first_day_strictly_beyond_the_emergency_threshold() -> None:
    story = Story(Policy())
    story.on_journal(day(0.20))
    assert Milestone.BREACH not in story.milestones
    story.on_journal(day(0.2001, "2026-01-02T03:04:06.000000Z"))
    story.on_journal(day(0.3, "2026-01-02T03:04:07.000000Z"))
    assert story.milestones[Milestone.BREACH].second == 6


def test_a_replay_that_ended_without_a_breach_has_no_more_to_tell() -> None:
    story = Story(Policy())
    story.on_journal(day(0.19))
    assert not story.can_no_longer_breach
    story.on_journal({"kind": "finished", "at": AT})
    assert story.can_no_longer_breach
    story.on_journal(day(0.21))
    assert not story.can_no_longer_breach


def test_a_resolved_alert_is_no_longer_active() -> None:
    story = Story(Policy())
    story.on_audit(*created("DRAWDOWN_WARNING"))
    assert [alert.severity for alert in story.active.values()] == [Severity.EMERGENCY]
    kind, at, payload = created("DRAWDOWN_WARNING")
    assert kind == "ALERT_CREATED"
    story.on_audit("ALERT_RESOLVED", at, payload)
    assert story.active == {}
    assert Milestone.WARNING in story.milestones


@pytest.mark.parametrize(("name", "told"), [("DRAWDOWN_WARNING", 2), ("KILL_SWITCH_ARMED", 1)])
def test_the_end_is_told_of_what_lasts_and_not_of_what_merely_happened(
    name: str, told: int
) -> None:
    story = Story(Policy())
    story.on_audit(*created(name))
    kind, at, payload = created(name)
    story.on_audit(kind.replace("CREATED", "RESOLVED"), at, payload)
    assert (len(story.log), story.active) == (told, {})


def test_an_alert_that_had_expired_is_active_again_once_it_continues() -> None:
    story = Story(Policy())
    _, at, payload = created("DRAWDOWN_WARNING")
    for kind, active in (("CREATED", 1), ("EXPIRED", 0), ("CONTINUED", 1)):
        story.on_audit(f"ALERT_{kind}", at, payload)
        assert len(story.active) == active


def test_an_event_of_a_later_version_is_passed_over() -> None:
    story = Story(Policy())
    story.on_audit("SOMETHING_NEW", AT, {})
    assert story.chain_size == 1


@pytest.mark.parametrize("drawdown", [0.0, 0.1, 0.2, 0.5, 3.0])
def test_the_drawdown_bar_marks_every_tier_at_any_drawdown(drawdown: float) -> None:
    story = Story(Policy())
    story.on_journal(day(drawdown))
    bar = drawdown_bar(story).plain
    assert bar.count("│") == 3
    assert f"{drawdown:.1%}" in bar


def test_the_timeline_prints_the_delays_between_the_steps() -> None:
    story = Story(Policy())
    for step, milestone in enumerate(("breach", "fired", "recorded", "gate closed", "flat")):
        at = f"2026-01-02T03:04:05.{step}00000+00:00"
        story.reached(Milestone(milestone), datetime.fromisoformat(at))
    console = Console(width=120, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(timeline(story))
    assert captured.get().count("100 ms") >= 4
    assert "400 ms" in captured.get()


def test_a_breach_that_the_fast_lane_raised_is_told_apart_from_prometheus_and_in_order() -> None:
    story = Story(Policy())
    story.reached(Milestone.BREACH, datetime.fromisoformat(AT))
    kind, at, payload = created("DRAWDOWN_EMERGENCY", "2026-01-02T03:04:05.001000Z")
    payload["details"]["annotations"]["raised_by"] = "fast lane"
    story.on_audit(kind, at, payload)
    for step in ("gate closed", "flat"):
        story.reached(Milestone(step), datetime.fromisoformat("2026-01-02T03:04:05.009000Z"))
    story.on_prometheus([alert_of("time", "2026-01-02T03:04:06Z")])
    assert Milestone.PROMETHEUS not in story.milestones, "an escalation is another alert"
    story.on_prometheus([alert_of("none", "2026-01-02T03:04:06.123456789Z")])
    console = Console(width=120)
    with console.capture() as captured:
        console.print(timeline(story))
    told = captured.get()
    steps = [told.index(word) for word in ("breach  ", "fired  ", "gate closed", "Prometheus  ")]
    assert steps == sorted(steps)
    assert "raised by the fast lane" in told
    assert "1,123 ms" in told


def alert_of(escalation: str, at: str) -> dict[str, Any]:
    labels = {"alertname": "DRAWDOWN_EMERGENCY", "escalation": escalation}
    return {"labels": labels, "state": "firing", "activeAt": at}


def test_the_first_sentence_keeps_decimal_points() -> None:
    assert first_sentence("Drawdown is 20.5%, above 20%. Measured: x.") == (
        "Drawdown is 20.5%, above 20%"
    )


def test_what_a_restriction_refuses_is_told_and_is_not_the_kill_switch_at_work() -> None:
    story = Story(Policy())
    story.on_audit("RESTRICTION_IMPOSED", AT, {"message": "the gate holds block_trade"})
    for _ in range(7):
        story.on_audit("TRADE_BLOCKED", AT, {"message": "order refused: block_trade"})
    assert Milestone.BLOCKED not in story.milestones
    story.on_audit("KILL_SWITCH_ACTIVATED", AT, {"message": "kill switch tripped."})
    story.on_audit("TRADE_BLOCKED", AT, {"message": "order refused: kill switch"})
    assert Milestone.BLOCKED in story.milestones
    texts = [line.text for line in story.log]
    assert texts[0] == "the gate holds block_trade"
    assert texts.count("order refused: block_trade") == 5
    assert texts[-1] == "order refused: kill switch"
    assert story.blocked == 8


def test_an_account_is_called_flat_within_what_was_closed() -> None:
    story = Story(Policy())
    for scope in ("*", "symbol=AAPL"):
        story.on_journal({"kind": "flat_confirmed", "at": AT, "kill_id": "k1", "scope": scope})
    told = [line.text.partition(":")[0] for line in story.log]
    assert told == ["the account is flat", "the account is flat within symbol=AAPL"]


def test_where_the_console_is_is_said_whatever_port_it_got(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        stack = Stack(Policy(), Layout(tmp_path), processes)
        lines = links(stack).plain.splitlines()
        assert any(f"console {stack.url('receivers')}/" in line for line in lines)
        assert all(len(line) <= 80 for line in lines)
