"""Each rule by itself: what a message is told or waits for, given what happened of late."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace as changed

from risk_policy import InvalidPolicyError, parse_policy
from risk_policy.vocabulary import Severity
from risk_receivers.channels.message import Kind, Message
from risk_receivers.quiet.decision import Reason, Recent, Verdict, decide, goes_on
from risk_receivers.quiet.terms import Terms

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TERMS = Terms.from_policy(parse_policy(b"", environ={}))
FIRING = Message(
    "loss/a:warning:1", Kind.FIRING, Severity.WARNING, "LOSS", "", NOW, 1,
    risk_id="loss/a", tier="warning", category="portfolio",
)  # fmt: skip
STORM = Recent(storm_until=NOW + timedelta(seconds=9))


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def of(kind: Kind, severity: Severity = Severity.WARNING) -> Message:
    return changed(FIRING, kind=kind, severity=severity)


def test_what_is_new_is_told() -> None:
    assert decide(TERMS, FIRING, Recent(), NOW) == Verdict()


def test_a_breach_that_comes_back_waits_until_its_cooldown_is_over() -> None:
    verdict = decide(TERMS, FIRING, Recent(breach_at=ago(20)), NOW)
    assert verdict == Verdict(Reason.COOLDOWN, ago(20) + timedelta(seconds=120))
    assert decide(TERMS, of(Kind.RESOLVED), Recent(breach_at=ago(20)), NOW) == Verdict()


def test_what_an_incident_has_just_said_waits_until_the_window_is_over() -> None:
    recent = Recent(announced=True, same_at=ago(20))
    verdict = decide(TERMS, of(Kind.EXPIRED), recent, NOW)
    assert verdict == Verdict(Reason.DUPLICATE, ago(20) + timedelta(seconds=60))


@pytest.mark.parametrize("kind", [Kind.EXPIRED, Kind.CONTINUED, Kind.RESOLVED])
@pytest.mark.parametrize("severity", [Severity.WARNING, Severity.EMERGENCY])
def test_nothing_comes_before_what_it_follows(kind: Kind, severity: Severity) -> None:
    until = NOW + timedelta(seconds=5)
    waits = Recent(waiting_until=until)
    verdict = decide(TERMS, of(kind, severity), waits, NOW)
    is_alarm = severity is Severity.EMERGENCY and kind is not Kind.RESOLVED
    assert verdict == (Verdict() if is_alarm else Verdict(Reason.UNANNOUNCED, until))
    assert decide(TERMS, of(kind, severity), replace(waits, announced=True), NOW) == Verdict()


def test_the_storm_begins_with_one_more_than_the_policy_lets_pass() -> None:
    assert decide(TERMS, FIRING, Recent(news=9), NOW) == Verdict()
    verdict = decide(TERMS, FIRING, Recent(news=10), NOW)
    assert (verdict.reason, verdict.until) == (Reason.STORM, NOW + timedelta(seconds=60))
    assert verdict.storm == "more than 10 alerts began within 60 s"
    assert decide(TERMS, of(Kind.RESOLVED), Recent(announced=True, news=10), NOW) == Verdict()
    escalated = decide(TERMS, of(Kind.ESCALATED), Recent(announced=True, news=10), NOW)
    assert escalated == Verdict()


def test_in_a_storm_everything_waits_for_the_end_of_its_window_but_what_never_does() -> None:
    for kind in (Kind.FIRING, Kind.EXPIRED, Kind.CONTINUED, Kind.RESOLVED):
        recent = replace(STORM, announced=True)
        assert decide(TERMS, of(kind), recent, NOW) == Verdict(Reason.STORM, STORM.storm_until)
    for kind in set(Kind) - {Kind.FIRING, Kind.EXPIRED, Kind.CONTINUED, Kind.RESOLVED}:
        assert decide(TERMS, of(kind), STORM, NOW) == Verdict()
    for kind in Kind:
        assert decide(TERMS, of(kind, Severity.EMERGENCY), STORM, NOW) == Verdict()


def test_an_end_beyond_the_limit_is_due_when_there_is_room_for_it() -> None:
    told_at = tuple(ago(59 - number) for number in range(22))
    verdict = decide(TERMS, of(Kind.RESOLVED), Recent(announced=True, told_at=told_at), NOW)
    assert verdict == Verdict(Reason.RATE_LIMIT, told_at[2] + timedelta(seconds=60))
    begins = decide(TERMS, FIRING, Recent(told_at=told_at), NOW)
    assert begins.reason is Reason.STORM
    assert begins.storm == "more than 20 warning messages came within a minute"


def test_a_storm_goes_on_while_as_much_happens_as_began_it() -> None:
    assert goes_on(TERMS, 11, {})
    assert not goes_on(TERMS, 10, {Severity.WARNING: 20, Severity.EMERGENCY: 500})
    assert goes_on(TERMS, 10, {Severity.WARNING: 21})


@pytest.mark.parametrize(
    "text",
    ["[alerting.rate_limits]\nemergency = 5", "[alerting.cooldown.per_category]\nsecurity = 5"],
)
def test_the_policy_cannot_hold_back_what_has_to_reach_people_at_once(text: str) -> None:
    with pytest.raises(InvalidPolicyError) as caught:
        parse_policy(text.encode(), environ={})
    (problem,) = caught.value.problems
    assert problem.line == 2
    assert problem.message.startswith("cannot be set: these have to reach people at once")
