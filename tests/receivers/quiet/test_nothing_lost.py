"""Whatever happens, in whatever order: nothing is lost in silence, and nothing urgent waits."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from people_told import Fate, People

from risk_policy.vocabulary import Category, Severity
from risk_receivers.channels.message import Kind
from risk_receivers.intake.alert import Feed

#: What a test may be about, few enough to meet each other and themselves again.
BREACHES: tuple[tuple[str, dict[str, Any]], ...] = (
    *((f"loss/{number}", {"category": Category.POSITION}) for number in range(6)),
    ("var/main", {"category": Category.PORTFOLIO}),
    ("exporter/down", {"category": Category.SYSTEM}),
    ("auth/failed", {"category": Category.SECURITY}),
    ("drawdown/main", {"category": Category.DRAWDOWN, "action": "kill_switch"}),
    ("alert_storm/x/y", {"category": Category.KILL_SWITCH, "name": "ALERT_STORM"}),
)
URGENT = ("auth/failed", "drawdown/main")
LEVELS = (*[Severity.WARNING] * 4, Severity.CRITICAL, Severity.EMERGENCY)
CHANNELS = {"all": Severity.DEBUG, "bad": Severity.CRITICAL}

POLICIES = st.builds(
    lambda folds, window, storm, cools, limits, limit: (
        f"[alerting.deduplication]\nenabled = {str(folds).lower()}\nwindow_seconds = {window}\n"
        "[alerting.escalation.frequency_based]\nescalate_at_count = 1\n"
        f"deduplicate_at_count = 2\nstorm_alert_at_count = {storm}\n"
        f"[alerting.cooldown]\nenabled = {str(cools).lower()}\n"
        f"[alerting.rate_limits]\nenabled = {str(limits).lower()}\nwarning = {limit}\n"
        f"critical = {limit}\n"
    ),
    st.booleans(), st.sampled_from([0, 5, 60, 600]), st.integers(3, 20),
    st.booleans(), st.booleans(), st.integers(1, 12),
)  # fmt: skip
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["begins", "begins", "begins", "ends", "ends unheard", "lapses", "restarts", "digests"]
        ),
        st.sampled_from(BREACHES),
        st.sampled_from(LEVELS),
        st.sampled_from([0.001, 0.001, 0.5, 0.5, 3.0, 31.0]),
    ),
    min_size=40,
    max_size=80,
)


@given(policy=POLICIES, steps=STEPS)
@settings(max_examples=50)
def test_all_that_waits_is_named_in_a_digest_and_nothing_urgent_waits(
    policy: str, steps: list[Any]
) -> None:
    people = People(policy, CHANNELS)
    for what, (risk_id, about), severity, pause in steps:
        people.transaction.now += timedelta(seconds=pause)
        known = {fate.risk_id for fate in people.fates() if fate.told_at}
        last = max((fate.number for fate in people.fates()), default=0)
        match what:
            case "begins":
                people.begins(risk_id, severity, lasts=20, **about)
            case "ends":
                people.ends_wholly(risk_id, *Feed, **about)
            case "ends unheard":  # Alertmanager says so later, or never
                people.ends_wholly(risk_id, Feed.ALERTS, **about)
            case "lapses":
                people.expire()
            case "restarts":
                people.restart()
            case "digests":
                people.teller.digest(people.transaction)
        for fate in people.fates(after=last):
            if fate.was_held:
                may_wait(fate, people, known)
    people.after(9000, step=600)

    assert not people.is_storm, "every storm ends"
    assert all(fate.told_at for fate in people.fates()), "nothing waits for ever"
    held = Counter(fate.incident for fate in people.fates() if fate.was_held)
    covered: Counter[str] = sum(map(Counter, people.covered().values()), Counter())
    assert covered == held, "each is in one digest"
    times = sorted({one.at for one in people.digests()})
    assert all(b - a >= people.teller.terms.window for a, b in pairwise(times)), "at its pace"
    told = order_of_telling(people)
    dispatched = people.connection.execute(
        "SELECT risk_id, tier, episode FROM incident WHERE dispatched = 1"
    )
    assert {":".join(map(str, one)) for one in dispatched} <= told
    people.close()


def may_wait(fate: Fate, people: People, known: set[str]) -> None:
    """That a message was held back is as it should be."""
    assert fate.kind != "escalated"
    assert fate.risk_id not in URGENT
    assert fate.severity != "emergency" or (fate.kind, fate.reason) == ("resolved", "unannounced")
    if fate.kind == "firing" and fate.risk_id not in known:
        assert people.is_storm, "a new breach waits in a storm only"
        assert any(one.title == "ALERT_STORM" for one in people.messages()), "that was told"


def order_of_telling(people: People) -> set[str]:
    """The incidents that people know of; each end came once, and after what it ends."""
    known: set[str] = set()
    over: set[str] = set()
    covered = people.covered()
    for message in people.messages():
        if message.kind is Kind.DIGEST:
            incidents = set(covered[message.subject])
            assert all(one.rsplit(":", 2)[0] in message.text for one in incidents)
            known |= incidents
        elif message.kind is Kind.RESOLVED:
            assert message.subject in known - over
            over.add(message.subject)
        else:
            known.add(message.subject)
    return known
