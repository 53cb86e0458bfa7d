"""How often it looks, and how much it writes at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from writers import writing

from risk_policy import parse_policy
from risk_policy.clock import utc_now
from risk_policy.vocabulary import Category, Severity
from risk_receivers.acks.client import AlertmanagerClient
from risk_receivers.acks.keeper import AckKeeper
from risk_receivers.acks.reconciler import Reconciler
from risk_receivers.channels.outbox import Outbox
from risk_receivers.incidents.recording import record_alert
from risk_receivers.intake.alert import Alert, Feed
from risk_receivers.quiet.telling import Teller
from risk_receivers.quiet.terms import Terms
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Telemetry

NOBODY = "127.0.0.1:1"
POLICY = parse_policy(b"", environ={})
TELLER = Teller(Outbox({}), Terms.from_policy(POLICY))
MANY = 120
#: What was written in one commit has one time.
TOLD_AT_ONCE = "SELECT count(*) FROM alert WHERE status = 'RESOLVED_TOLD' GROUP BY received_at"


@contextmanager
def reconciling(folder: Path) -> Iterator[tuple[Reconciler, Writer]]:
    telemetry, place = Telemetry(), folder / "receivers.db"
    with writing(place) as writer, closing(AlertmanagerClient(NOBODY)) as client:
        keeper = AckKeeper(
            client=client,
            database=place,
            writer=writer,
            outbox=TELLER.outbox,
            terms=POLICY.alerting.acknowledgement,
            telemetry=telemetry,
            wake=lambda: None,
        )
        reconciler = Reconciler(
            keeper=keeper,
            client=client,
            database=place,
            writer=writer,
            teller=TELLER,
            policy=POLICY,
            telemetry=telemetry,
            wake=lambda: None,
            interval_seconds=0,
        )
        yield reconciler, writer


def test_what_a_look_costs_is_a_tenth_of_a_processor_unless_it_rested_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reconciling(tmp_path) as (reconciler, _):
        began = time.thread_time()
        pause = reconciler.round()
        cost = time.thread_time() - began
        monkeypatch.setattr("risk_receivers.acks.reconciler._REST", 1e9)  # as of a million
        longest = reconciler.round()
    assert pause is not None
    assert 0 < pause <= 9 * cost
    assert longest == 10, "it is in time to prolong an acknowledgement"


def test_of_many_at_once_few_are_written_at_a_time_so_that_a_kill_gets_its_turn(
    tmp_path: Path,
) -> None:
    with reconciling(tmp_path) as (reconciler, writer):
        writer.run(begun_and_over, 30)
        reconciler.round()
        told = writer.run(lambda one: one.connection.execute(TOLD_AT_ONCE).fetchall(), 30)
    assert sum(count for (count,) in told) == MANY
    assert max(count for (count,) in told) <= 50


def begun_and_over(transaction: Transaction) -> None:
    """People were told of each; of its end, an hour ago, they were not."""
    began, over = (utc_now() - timedelta(hours=hours) for hours in (2, 1))
    for number in range(MANY):
        fires = Alert(
            feed=Feed.NOTIFICATIONS,
            firing=True,
            alertname="POSITION_LOSS_WARNING",
            risk_id=f"position_loss/{number}",
            tier="warning",
            severity=Severity.WARNING,
            category=Category.POSITION,
            action="notify",
            starts_at=began,
            ends_at=None,
        )
        record_alert(transaction, TELLER, fires, began)
        ends = replace(fires, feed=Feed.ALERTS, firing=False, ends_at=over)
        record_alert(transaction, TELLER, ends, over)
