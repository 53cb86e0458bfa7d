"""What is owed to people, and what keeps it from them on purpose."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from risk_policy.model.stack import Routing
from risk_policy.vocabulary import Severity
from risk_receivers.acks.client import HeldBack
from risk_receivers.acks.silences import Matcher
from risk_receivers.acks.untold import Untold, Waiting, held_back_by, owed_of, patience_seconds
from risk_receivers.incidents.held import HeldAlert, Standing, Told
from risk_receivers.incidents.lifecycle import Incident, State

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def held(severity: Severity, *, told: bool = False, firing: bool = True) -> HeldAlert:
    standing = Standing.FIRING if firing else Standing.ENDED
    return HeldAlert(
        severity, "none", standing, NOW, None, told=Told.FIRING if told else Told.NOTHING
    )


def incident(*alerts: HeldAlert, tier: str = "warning", state: State = State.CREATED) -> Incident:
    return Incident(
        "drawdown/main", tier, 1, state, "DRAWDOWN", Severity.WARNING, None, "notify",
        NOW, None, NOW, alerts,
    )  # fmt: skip


def untold(tier: str = "warning", severity: Severity = Severity.WARNING) -> Untold:
    labels = {"risk_id": "drawdown/main", "tier": tier, "severity": severity.value}
    return Untold(incident(held(severity), tier=tier), held(severity), labels)


def test_the_worst_that_fires_is_owed_unless_people_know_of_something_as_bad() -> None:
    warning, critical = held(Severity.WARNING), held(Severity.CRITICAL)
    told = replace(warning, told=Told.FIRING)
    assert owed_of(incident(warning, critical)) == critical
    assert owed_of(incident(told, critical)) == critical
    assert owed_of(incident(told)) is None
    assert owed_of(incident(warning, replace(critical, told=Told.FIRING))) is None
    # Told of something worse that is over: what is left is no news.
    over = held(Severity.CRITICAL, told=True, firing=False)
    assert owed_of(incident(warning, over)) is None
    assert owed_of(incident(warning, state=State.EXPIRED)) is None
    assert owed_of(incident(held(Severity.WARNING, firing=False))) is None


def test_alertmanagers_own_word_says_what_is_kept_from_people() -> None:
    labels = {"risk_id": "drawdown/main", "tier": "warning", "severity": "warning"}
    for escalation in ({}, {"escalation": "none"}):
        for muted in (True, False):
            judge = held_back_by([HeldBack({**labels, **escalation}, muted)], (), ())
            assert judge(untold()) is muted
    # What it does not know of, it did not tell.
    assert held_back_by([], (), ())(untold()) is False
    escalated = HeldBack({**labels, "severity": "critical"}, muted=True)
    assert held_back_by([escalated], (), ())(untold()) is False


def test_without_alertmanager_silences_and_worse_tiers_are_respected_as_far_as_known() -> None:
    silence = (Matcher("risk_id", "drawdown/main"),)
    assert held_back_by(None, [silence], ())(untold())
    assert not held_back_by(None, [(Matcher("risk_id", "other"),)], ())(untold())
    assert not held_back_by(None, [(Matcher("risk_id", r"\pL", is_regex=True),)], ())(untold())

    worse = [("drawdown/main", "critical", Severity.CRITICAL)]
    assert held_back_by(None, (), worse)(untold())
    assert not held_back_by(None, (), worse)(untold("critical", Severity.CRITICAL))
    assert not held_back_by(None, (), worse)(untold("emergency", Severity.EMERGENCY))
    # A milder tier that counts as more severe speaks for itself.
    assert not held_back_by(None, (), worse)(untold("warning", Severity.EMERGENCY))
    assert not held_back_by(None, (), [("drawdown/b", "critical", Severity.CRITICAL)])(untold())


def test_it_is_due_after_the_time_a_notification_takes_counted_from_when_it_was_owed() -> None:
    waiting, one = Waiting(Routing()), untold()
    patience = patience_seconds(Routing(), Severity.WARNING)
    assert waiting.due([one], 100) == []
    assert waiting.due([one], 100 + patience - 0.1) == []
    assert waiting.due([one], 100 + patience) == [one]
    # Silenced for a moment: Alertmanager gets its time again.
    assert waiting.due([], 200) == []
    assert waiting.due([one], 201) == []
    assert waiting.due([one], 201 + patience) == [one]
