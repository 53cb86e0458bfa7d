"""What was not done is said plainly, and what was done is not complained of."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from incident_chain import INCIDENT, KILL, IncidentChain, at, emergency, gather

from risk_policy.contracts.audit import EventType
from risk_policy.vocabulary import Severity
from risk_receivers.document.model import Figures, Tone
from riskwarden.dossier.document import Case, document
from riskwarden.dossier.steps import steps_of
from riskwarden.dossier.undone import undone
from riskwarden.dossier.watched import Watched

E = EventType


def found(chain: IncidentChain) -> dict[str, tuple[str, Tone]]:
    trail = gather(chain.rows, INCIDENT)
    told = undone(trail, steps_of(trail), Watched())
    return {one.text: (one.because, one.tone) for one in told}


def said(chain: IncidentChain) -> str:
    return "\n".join(f"{text} ({because})" for text, (because, _) in found(chain).items())


def test_an_emergency_in_which_all_was_done_leaves_the_clearing_to_say() -> None:
    assert list(found(emergency())) == [
        "The kill switch had not been cleared when the record ended: new risk is refused."
    ]
    chain = emergency()
    chain.add(E.KILL_SWITCH_CLEARED, 700, details={"kill_id": KILL})
    assert found(chain) == {}


def bare() -> IncidentChain:
    chain = IncidentChain()
    chain.created(0)
    return chain


def test_nobody_told_nobody_took_it_on_and_nothing_was_done() -> None:
    chain = bare()
    chain.created(90, "drawdown/main:warning:9")
    everything = found(chain)
    assert everything["Never acknowledged."] == ("open after 1m 30s", Tone.CRITICAL)
    assert everything["No channel has confirmed that anybody was told."][1] is Tone.CRITICAL
    assert "It asks for the kill switch, and no trip is on record." in everything
    assert everything["Not over when the record ended."] == (
        "2026-11-21 12:01:30 UTC",
        Tone.WARNING,
    )
    chain.change(E.ALERT_DISPATCHED, 91)
    assert "it was handed on" in said(chain)


def test_a_kill_that_people_heard_of_is_not_the_alert() -> None:
    chain = _killed("immediate")
    chain.sent(5, "slack", KILL)
    assert "People were told of the kill switch, and not of the alert itself." in found(chain)
    chain.sent(6, "slack")
    assert "were told" not in said(chain)
    assert "was told" not in said(chain)


def test_a_kill_that_was_recorded_late_says_so() -> None:
    chain = bare()
    chain.add(
        E.KILL_SWITCH_ACTIVATED, 90, incident=INCIDENT,
        details={"kill_id": KILL, "mode": "immediate", "received_at": at(1).isoformat()},
    )  # fmt: skip
    assert "acted before it could be recorded. (on record 1m 29s later)" in said(chain)


def _killed(mode: str) -> IncidentChain:
    chain = bare()
    chain.add(
        E.KILL_SWITCH_ACTIVATED, 1, incident=INCIDENT, severity=Severity.EMERGENCY,
        details={"kill_id": KILL, "mode": mode},
    )  # fmt: skip
    return chain


def test_a_kill_that_nobody_confirmed_flat_is_an_emergency() -> None:
    assert found(_killed("immediate"))["Not confirmed flat."][1] is Tone.EMERGENCY
    paused = found(_killed("pause"))
    assert "Not confirmed flat." not in paused
    assert "Positions were left open, as mode pause has it." in paused


def test_a_kill_is_over_when_the_last_account_is_flat() -> None:
    chain = bare()
    chain.killed(1)
    chain.reported(E.POSITION_FORCE_CLOSED, 2, reported=2, kill_id=KILL)
    chain.reported(E.POSITION_FORCE_CLOSED, 3, reported=3, kill_id=KILL, account="second")
    chain.reported(E.KILL_SWITCH_FLAT_CONFIRMED, 4, reported=4, kill_id=KILL)
    assert "Not every account is confirmed flat. (second: nobody has reported" in said(chain)
    assert ("Flat", "not all") in spans(chain)
    chain.reported(E.KILL_SWITCH_FLAT_CONFIRMED, 9, reported=9, kill_id=KILL, account="second")
    assert "confirmed flat" not in said(chain)
    assert ("Flat", "9s") in spans(chain)


def spans(chain: IncidentChain) -> list[tuple[str, str]]:
    trail = gather(chain.rows, INCIDENT)
    case = Case(trail, steps_of(trail), Watched(), (), "audit.db", at(60))
    (figures,) = (block for block in document(case).blocks if isinstance(block, Figures))
    return [(one.label, one.value) for one in figures.figures]


def _ack_ended(chain: IncidentChain) -> None:
    chain.acked(10, ["emergency"])
    chain.acked(20, ["emergency"], E.ALERT_ACK_ENDED)


def _expired(chain: IncidentChain) -> None:
    chain.change(E.ALERT_EXPIRED, 20)


def _given_up(chain: IncidentChain) -> None:
    for channel in ("slack", "email"):
        chain.add(E.NOTIFICATION_FAILED, 5, details={"channel": channel, "subject": INCIDENT})


def _ahead(chain: IncidentChain) -> None:
    chain.killed(1)
    chain.reported(E.KILL_SWITCH_FLAT_CONFIRMED, 2, reported=62, kill_id=KILL)


@pytest.mark.parametrize(
    ("happens", "sentence"),
    [
        (_ack_ended, "An acknowledgement ended before the incident did."),
        (_expired, "nobody knows whether it is over"),
        (_given_up, "Messages were given up. (2, through email, slack)"),
        (_ahead, "by the clock of who did it. (by 1m 0s, runtime main)"),
    ],
)
def test_what_went_wrong_is_said(happens: Callable[[IncidentChain], None], sentence: str) -> None:
    chain = bare()
    assert sentence not in said(chain)
    happens(chain)
    assert sentence in said(chain)


def test_an_alert_that_fired_after_it_was_recorded_shows_that_clocks_differ() -> None:
    chain = IncidentChain()
    chain.created(0, fired=3)
    assert "it was on record before it fired" in said(chain)
    assert "(by 3s)" in said(chain)


def test_a_chain_that_does_not_verify_comes_first() -> None:
    chain = emergency()
    rows = chain.rows
    del rows[3]
    trail = gather(rows, INCIDENT)
    first, *_ = undone(trail, steps_of(trail), Watched())
    assert first.tone is Tone.EMERGENCY
    assert "does not verify" in first.text
