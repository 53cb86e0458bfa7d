"""The scheduled job: deletes when it is time to, and says when it does not dare to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import pytest
from chain_archive import DAY, Archive

from risk_policy.contracts.audit import EventType
from risk_policy.model.audit import AuditRetention
from risk_receivers.audit.tables import open_read_only
from risk_receivers.retention.payload_keeper import PayloadKeeper
from risk_receivers.store.writer import Writer
from risk_receivers.telemetry import Telemetry

STOPPED = "risk_audit_retention_stopped"


def keeper_of(
    archive: Archive,
    telemetry: Telemetry,
    writer: Writer | None = None,
    uptime: Callable[[], float] | None = None,
) -> PayloadKeeper:
    """Its clock is the archive's, and so is the time that passes, if nothing else does."""
    return PayloadKeeper(
        archive.database,
        writer or archive.writer,
        telemetry,
        AuditRetention(),
        clock=lambda: archive.now,
        uptime=uptime or (lambda: archive.now.timestamp()),
    )


def value(telemetry: Telemetry, name: str) -> float | None:
    for line in telemetry.exposition().decode().splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[-1])
    return None


def test_it_deletes_what_is_due_and_says_when(archive: Archive) -> None:
    telemetry = Telemetry()
    archive.add(count=3)
    archive.days_pass(92)
    keeper_of(archive, telemetry).round()
    assert archive.gone() == [1, 2, 3]
    assert value(telemetry, STOPPED) == 0
    assert value(telemetry, "risk_audit_retention_time_seconds") == archive.now.timestamp()


def test_a_clock_that_jumps_while_it_runs_deletes_nothing_and_is_told(archive: Archive) -> None:
    telemetry = Telemetry()
    archive.add(EventType.TRADE_BLOCKED)
    archive.days_pass(3)
    keeper = keeper_of(archive, telemetry, uptime=lambda: 0.0)
    archive.now += 730 * DAY
    keeper.round()
    assert archive.gone() == []
    assert value(telemetry, STOPPED) == 1
    archive.now -= 730 * DAY
    keeper.round()
    assert value(telemetry, STOPPED) == 0
    assert archive.problems() == []


def test_many_small_jumps_are_one_large_one_however_much_is_recorded_between_them(
    archive: Archive,
) -> None:
    telemetry, passed = Telemetry(), [0.0]
    archive.add(EventType.TRADE_BLOCKED)
    keeper = keeper_of(archive, telemetry, uptime=lambda: passed[0])
    for _ in range(400):
        archive.now += timedelta(hours=23)
        archive.add(EventType.KILL_SWITCH_FLAT_CONFIRMED)
    keeper.round()
    assert archive.gone() == []
    assert value(telemetry, STOPPED) == 1
    for _ in range(2):  # and if it was right all along, that is seen in a day
        archive.now += DAY
        archive.add(EventType.KILL_SWITCH_FLAT_CONFIRMED)
        passed[0] += DAY.total_seconds()
        keeper.round()
    assert archive.gone() == [1]
    assert value(telemetry, STOPPED) == 0


def test_that_it_fails_for_more_than_a_day_is_told(
    archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    telemetry = Telemetry()
    archive.add(count=3)
    archive.days_pass(92)
    failed = Writer(
        archive.database, origin="gone", retention=AuditRetention(), batch=1, queue_depth=1
    )
    failed.start()
    failed.stop()
    keeper = keeper_of(archive, telemetry, failed)
    keeper.round()
    assert not value(telemetry, STOPPED)  # it may pass
    archive.days_pass(3)
    keeper.round()
    assert value(telemetry, STOPPED) == 1
    assert "no round has gone through since 2026-04-03" in caplog.text
    assert archive.gone() == []


def test_it_waits_for_its_hour(archive: Archive) -> None:
    keeper = keeper_of(archive, Telemetry())
    keeper.round()
    archive.add()
    archive.days_pass(92)
    keeper.round()
    assert archive.gone() == []


def test_a_log_that_somebody_still_reads_is_emptied_later(archive: Archive) -> None:
    archive.add(message="the secret plan of Mr. Doe")
    archive.days_pass(92)
    keeper = keeper_of(archive, Telemetry())
    with closing(open_read_only(archive.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM audit_payload").fetchone()
        keeper.round()
        assert archive.gone() == [1]
        reader.execute("ROLLBACK")
    keeper.round()
    assert not [path.name for path in archive.files() if b"Mr. Doe" in path.read_bytes()]
