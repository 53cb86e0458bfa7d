"""Facts are what is on record and was not changed, wherever it is kept; all else is said."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import stores
from chain_archive import BEGIN, Archive
from told_chain import DAY, NEXT_DAY, Desk, clock, tell_the_day

from risk_policy.contracts.audit import EventType
from risk_receivers.audit.chain import leaf_hash, payload_hash
from risk_receivers.document.markdown import markdown
from risk_receivers.periodic import figures
from risk_receivers.periodic.facts import Fact
from risk_receivers.periodic.figures import totals
from risk_receivers.periodic.history import told
from risk_receivers.periodic.kinds import KINDS
from risk_receivers.periodic.order import Order
from risk_receivers.periodic.period import Period
from risk_receivers.periodic.subject import Subject, gather

Gather = Callable[..., Subject]


@pytest.mark.parametrize("backend", ["jsonl", "postgresql"])
def test_the_day_is_the_same_wherever_it_is_kept(
    backend: str, tmp_path: Path, day: Path, gathered: Gather, request: pytest.FixtureRequest
) -> None:
    path = tmp_path / "audit" / "audit.db"
    with stores.kept(backend, path, lambda: request.getfixturevalue("postgres")) as place:
        desk = Desk(place)
        tell_the_day(desk)
        desk.stop()
        order = Order.of(
            desk.policy,
            kind="daily",
            database=place,
            signing_key=tmp_path / "key",
            period=Period(DAY, NEXT_DAY),
            made_at=NEXT_DAY,
            folder=str(tmp_path / "reports"),
            name="daily",
        )
        sent = msgspec.json.decode(msgspec.json.encode(order), type=Order)
        subject = gather(sent.terms, sent.place, sent.period, made_at=sent.made_at)
    assert subject.totals == gathered(day).totals
    assert subject.is_trustworthy


def spoil(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(statement)
        connection.commit()


def test_a_damaged_record_is_told_of_first_and_is_no_fact(own_day: Path, gathered: Gather) -> None:
    spoil(
        own_day,
        "UPDATE audit_payload SET payload = CAST(replace(CAST(payload AS TEXT), "
        "'position_size/main/AAPL', 'position_size/main/IBM ') AS BLOB) WHERE seq = "
        "(SELECT seq FROM audit_header WHERE CAST(header AS TEXT) LIKE '%ALERT_CREATED%' "
        "ORDER BY seq LIMIT 1 OFFSET 2)",
    )
    subject = gathered(own_day)
    assert (subject.totals.alerts, subject.totals.critical) == (3, 1)
    said = markdown(KINDS["compliance"].write(subject))
    before, _, after = said.partition("## Summary")
    assert "The audit chain is broken" in before
    assert "Left out: 1 damaged record." in before
    assert "Chain validation: FAILED" in after
    assert "Chain validation: PASSED" not in after


def test_a_record_that_was_forged_whole_is_no_fact_either(own_day: Path, gathered: Gather) -> None:
    with closing(sqlite3.connect(own_day)) as connection:
        seq, header, salt, payload = connection.execute(
            "SELECT h.seq, header, salt, payload FROM audit_header h JOIN audit_payload USING (seq)"
            " WHERE CAST(header AS TEXT) LIKE '%TRADE_BLOCKED%' ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        forged = payload.replace(b"IBM", b"XYZ")
        before, after = payload_hash(salt, payload).hex(), payload_hash(salt, forged).hex()
        header = header.replace(before.encode(), after.encode())
        connection.execute("UPDATE audit_payload SET payload = ? WHERE seq = ?", (forged, seq))
        connection.execute(
            "UPDATE audit_header SET header = ?, checksum = ? WHERE seq = ?",
            (header, leaf_hash(header), seq),
        )
        connection.commit()
    subject = gathered(own_day)
    assert not subject.is_trustworthy
    assert "XYZ" not in markdown(KINDS["compliance"].write(subject))
    # What tells of it was recorded after the period, or with it.
    until = gathered(own_day, DAY, clock("13:00:01"))
    assert "XYZ" not in markdown(KINDS["compliance"].write(until))


def test_a_record_cut_out_is_told_of(own_day: Path, gathered: Gather) -> None:
    spoil(own_day, "DELETE FROM audit_payload WHERE seq = 5")
    spoil(own_day, "DELETE FROM audit_header WHERE seq = 5")
    said = markdown(KINDS["compliance"].write(gathered(own_day)))
    assert "The audit chain is broken" in said
    assert "record 5 is missing before it" in said


def test_payloads_that_are_gone_are_counted_and_not_guessed() -> None:
    facts = [
        Fact(1, "ALERT_CREATED", clock("09:00:00"), None),
        Fact(2, "TRADE_BLOCKED", clock("10:00:00"), None),
        Fact(3, "KILL_SWITCH_ACTIVATED", clock("11:00:00"), None),
    ]
    found = told(facts, DAY)
    counted = totals(found, Period(DAY, NEXT_DAY))
    assert (counted.alerts, counted.blocked, counted.kills, counted.gone) == (1, 1, 1, 3)
    assert counted.critical == 0
    assert figures.by_category(found, Period(DAY, NEXT_DAY)) == {"payload gone": 1}


def test_what_retention_took_is_counted_and_said_and_the_chain_is_whole(
    tmp_path: Path, gathered: Gather
) -> None:
    archive = Archive(tmp_path)
    archive.add(EventType.ALERT_CREATED, 3)
    archive.add(EventType.TOKEN_CREATED)
    archive.days_pass(91)
    archive.prune()
    archive.writer.stop()
    subject = gathered(archive.database, BEGIN - timedelta(days=1), BEGIN + timedelta(days=1))
    assert subject.is_trustworthy
    assert (subject.totals.alerts, subject.totals.gone, subject.damaged) == (3, 3, 0)
    said = markdown(KINDS["compliance"].write(subject))
    assert "The payloads of 3 of 4 records of this period are gone" in said
    assert "| payload gone | 3 | 100% |" in said
    assert "Chain validation: PASSED" in said
    assert "(3 in the whole chain)" in said
    assert "No signed checkpoint says how far the chain went" in said
    later = gathered(archive.database, BEGIN, BEGIN + timedelta(days=100))
    assert "RETENTION_APPLIED" in markdown(KINDS["compliance"].write(later))


def test_reading_a_chain_at_rest_leaves_nothing_beside_it(own_day: Path, gathered: Gather) -> None:
    before = {path.name: path.read_bytes() for path in own_day.parent.iterdir()}
    gathered(own_day)
    assert {path.name: path.read_bytes() for path in own_day.parent.iterdir()} == before
