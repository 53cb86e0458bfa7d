"""How often it looks."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest
from writers import writing

from risk_policy import parse_policy
from risk_receivers.acks.client import AlertmanagerClient
from risk_receivers.acks.keeper import AckKeeper
from risk_receivers.acks.reconciler import Reconciler
from risk_receivers.channels.outbox import Outbox
from risk_receivers.quiet.telling import Teller
from risk_receivers.quiet.terms import Terms
from risk_receivers.telemetry import Telemetry

NOBODY = "127.0.0.1:1"


def test_what_a_look_costs_is_a_tenth_of_a_processor_unless_it_rested_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, telemetry, place = parse_policy(b"", environ={}), Telemetry(), tmp_path / "receivers.db"
    outbox = Outbox({})
    with writing(place) as writer, closing(AlertmanagerClient(NOBODY)) as client:
        keeper = AckKeeper(
            client=client,
            database=place,
            writer=writer,
            outbox=outbox,
            terms=policy.alerting.acknowledgement,
            telemetry=telemetry,
            wake=lambda: None,
        )
        reconciler = Reconciler(
            keeper=keeper,
            client=client,
            database=place,
            writer=writer,
            teller=Teller(outbox, Terms.from_policy(policy)),
            policy=policy,
            telemetry=telemetry,
            wake=lambda: None,
            interval_seconds=0,
        )
        began = time.thread_time()
        pause = reconciler.round()
        cost = time.thread_time() - began
        monkeypatch.setattr("risk_receivers.acks.reconciler._REST", 1e9)  # as of a million
        longest = reconciler.round()
    assert pause is not None
    assert 0 < pause <= 9 * cost
    assert longest == 10, "it is in time to prolong an acknowledgement"
