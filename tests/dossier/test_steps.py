"""Who did what, when, by whose clock, and in which order."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from incident_chain import INCIDENT, KILL, IncidentChain, at, emergency, gather

from risk_policy.contracts.audit import EventType
from riskwarden.dossier.steps import Told, since_before, steps_of

E = EventType


def told(chain: IncidentChain, breached_at: float | None = None) -> Told:
    trail = gather(chain.rows, INCIDENT)
    return steps_of(trail, None if breached_at is None else at(breached_at))


def test_an_emergency_goes_from_breach_to_flat_to_resolved() -> None:
    found = told(emergency(), breached_at=1.0)
    assert [(step.name, (step.at - at(0)).total_seconds(), step.clock) for step in found.steps] == [
        ("breach", 0, "exporter"),
        ("fired", 0, "exporter"),
        ("recorded", 0.02, "receivers"),
        ("kill switch", 0.02, "receivers"),
        ("orders cancelled", 0.05, "runtime main"),
        ("position closed", 0.07, "runtime main"),
        ("flat", 0.09, "runtime main"),
        ("evaluated", 1, "Prometheus"),
        ("handed on", 1.5, "receivers"),
        ("notified", 3, "receivers"),
        ("notified", 4, "receivers"),
        ("order refused", 4.5, "runtime main"),
        ("acknowledged", 29, "Alertmanager"),
        ("resolved", 600, "receivers"),
    ]
    assert [step.channel for step in found.steps if step.channel] == ["slack", "telegram"]
    acked = found.first("acknowledged")
    assert acked is not None
    assert acked.actor == "olga"
    assert (found.steps[0].said_value, found.steps[0].said_threshold) == ("20.6%", "20%")


def test_an_alert_of_prometheus_was_breached_when_its_rules_saw_it() -> None:
    chain = IncidentChain()
    chain.created(3, fired=2)
    breach, fired, recorded = told(chain, breached_at=-58).steps
    assert (breach.name, breach.at, breach.clock) == ("breach", at(-58), "Prometheus")
    assert (fired.name, fired.clock) == ("fired", "Prometheus")
    assert recorded.record is not None
    # A breach that began after the alert is another one.
    assert told(chain, breached_at=50).steps[0].name == "fired"
    assert told(chain).steps[0].name == "fired"


def test_a_trip_that_had_to_wait_for_the_store_stands_where_the_gate_was_closed() -> None:
    chain = IncidentChain()
    chain.created(0)
    for recorded, received in ((0.5, 0.1), (90, 3)):
        chain.add(
            E.KILL_SWITCH_ACTIVATED, recorded, incident=INCIDENT,
            details={"kill_id": f"kill-{recorded}", "received_at": at(received).isoformat()},
        )  # fmt: skip
    trips = [step.at for step in told(chain).steps if step.name == "kill switch"]
    assert trips == [at(0.5), at(3)]


def test_what_happens_a_thousand_times_is_counted() -> None:
    chain = IncidentChain()
    chain.created(0)
    chain.killed(0)
    for number in range(40):
        chain.reported(E.TRADE_BLOCKED, 1 + number, reported=1 + number)
    found = told(chain)
    assert [step.name for step in found.steps].count("order refused") == 5
    assert found.left_out == {"order refused": 35}


def test_a_type_that_is_not_known_here_is_told_in_its_own_words() -> None:
    chain = IncidentChain()
    chain.created(0)
    chain.add(E.RESTRICTION_LATCHED, 1, incident=INCIDENT, message="the gate holds on. Really.")
    last = told(chain).steps[-1]
    assert (last.name, last.what) == ("restriction latched", "the gate holds on")


_SHORT = st.floats(0, 100, allow_nan=False)


@given(st.lists(st.tuples(_SHORT, _SHORT), max_size=20))
def test_steps_stand_in_the_order_of_time_and_none_is_lost(
    reports: list[tuple[float, float]],
) -> None:
    chain = IncidentChain()
    chain.created(0)
    chain.killed(0)
    for recorded, reported in reports:
        chain.reported(E.POSITION_FORCE_CLOSED, recorded, reported=reported, kill_id=KILL)
    steps = told(chain).steps
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    recorded_steps = [step.record.seq for step in steps if step.record]
    assert sorted(recorded_steps) == list(range(1, len(reports) + 3))
    spans = [span for span in since_before(steps) if span is not None]
    assert sum(spans, timedelta()) == steps[-1].at - steps[0].at
