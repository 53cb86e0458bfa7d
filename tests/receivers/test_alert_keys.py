"""A trip by an alert that waited aside while another service recorded it is a repeat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from writers import writing

from risk_policy import parse_policy
from risk_policy.clock import utc_now
from risk_policy.model.stack import AutomaticScope
from risk_policy.vocabulary import KillMode, Severity
from risk_receivers.channels.outbox import Outbox
from risk_receivers.intake.alert import Alert, Batch, Feed
from risk_receivers.kill import journal
from risk_receivers.kill.automatic import Automatic
from risk_receivers.kill.clearing import Codes, Request, What
from risk_receivers.kill.loosening import Loosening, Step
from risk_receivers.kill.second_factor import SecondFactor
from risk_receivers.kill.trip import AlertKill, SpooledTrip
from risk_receivers.ledger import Ledger
from risk_receivers.quiet.telling import Teller
from risk_receivers.quiet.terms import Terms
from risk_receivers.restrictions.recording import Restricting
from risk_receivers.store.writer import Transaction, Writer

BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)


def emergency(*, over: bool = False, risk_id: str = "drawdown/main") -> Alert:
    ends_at = BEGAN + timedelta(minutes=1) if over else utc_now() + timedelta(minutes=1)
    return Alert(
        Feed.ALERTS, not over, "DRAWDOWN_EMERGENCY", risk_id, "emergency",
        Severity.EMERGENCY, None, "kill_switch", BEGAN, ends_at, {"account": "main"},
    )  # fmt: skip


def clear(writer: Writer) -> None:
    loosening = Loosening(Outbox({}), Codes(60), SecondFactor())

    def work(transaction: Transaction) -> None:
        for one in journal.load(transaction.connection).in_force:
            step = Step(Request(What.CLEAR, one.kill_id, "ann", "why"), "", "here")
            _, code = loosening.ask(transaction, step, blind="", unrecorded=False)
            again = Step(step.request, code, "here")
            loosening.confirm(transaction, again, blind="", unrecorded=False)

    writer.run(work, 10)


@pytest.mark.parametrize("scope", list(AutomaticScope))
def test_what_was_recorded_since_trips_nothing_again(tmp_path: Path, scope: AutomaticScope) -> None:
    policy, outbox = parse_policy(b"", environ={}), Outbox({})
    ledger = Ledger(
        Teller(outbox, Terms.from_policy(policy)),
        Automatic(KillMode.PAUSE, scope),
        Restricting(policy, outbox),
    )
    with writing(tmp_path / "receivers.db") as writer:

        def merged(*trips: SpooledTrip) -> bool:
            return writer.run(
                lambda transaction: ledger.merge_spool(transaction, trips), 10
            ).tripped

        def take(alert: Alert) -> None:
            batch = Batch(Feed.ALERTS, (alert,))
            writer.run(lambda t: ledger.take_batch(t, batch, utc_now(), "its-kill"), 10)

        def waiting(name: str, alert: Alert) -> SpooledTrip:
            # Its clock is far behind that of whoever records it.
            at, known = utc_now() - timedelta(days=1), writer.head.size
            return SpooledTrip(name, f"kill-{name}", at, AlertKill(alert), known)

        before, other = waiting("one", emergency()), emergency(risk_id="drawdown/other")
        assert merged(waiting("other", other)), "nobody has recorded it"
        take(emergency(over=True, risk_id="drawdown/other"))
        clear(writer)
        take(emergency())  # by another service, which led meanwhile
        take(emergency(over=True))
        clear(writer)
        assert not merged(before), "it was recorded, it is over, and people have cleared it"
        rows = writer.run(
            lambda t: t.connection.execute("SELECT state FROM incident").fetchall(), 10
        )
        assert rows == [("RESOLVED",)] * 2

        assert merged(waiting("two", emergency())), "the same one that was heard since does"
