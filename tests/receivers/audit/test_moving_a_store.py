"""A store moves from one backend to another by backup and restore, and stays what it was."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from chain_archive import Archive
from postgres_cluster import Cluster
from typer.testing import CliRunner, Result

from risk_policy import Policy, load_policy
from risk_policy.clock import utc_now
from risk_policy.vocabulary import Severity
from risk_receivers.audit import tables
from risk_receivers.audit.query import events
from risk_receivers.core import Core, open_core
from risk_receivers.database.connection import Connection
from risk_receivers.intake.alert import Feed
from risk_receivers.intake.parse import Parser
from risk_receivers.recorder import Received
from risk_receivers.store.places import named_place
from risk_receivers.store.writer import Transaction
from risk_receivers.telemetry import Telemetry
from risk_receivers.verification import verify_store
from riskwarden.app import application

#: What the service itself looks after as it starts, and what the chain must agree with.
LOOKED_AFTER = {"kill_event_account"}
VALUES: dict[str, object] = {"TEXT": "é␀'\"\\", "INTEGER": 2**53, "REAL": 0.1, "BLOB": b"\0\xff"}


@dataclass
class Desk:
    """A data folder, and where its policy has the store kept at the moment."""

    folder: Path
    path: Path

    def keep_in(self, backend: str) -> None:
        self.path.write_text(f'[alerting.audit]\nstorage_backend = "{backend}"\n', encoding="utf-8")

    @property
    def policy(self) -> Policy:
        return load_policy(self.path)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def audit(self, command: str, *arguments: object) -> Result:
        given = ["audit", command, *map(str, arguments), "--policy", str(self.path)]
        given += ["--data", str(self.data)]
        return CliRunner().invoke(application(given), given)

    def ask(self, question: Callable[[Connection], Any]) -> Any:
        return tables.read(named_place(self.policy.alerting.audit, self.data), question)

    def move_to(self, backend: str) -> None:
        copy = self.folder / f"to-{backend}.db"
        done = self.audit("backup", copy)
        assert done.exit_code == 0, done.stderr
        self.keep_in(backend)
        done = self.audit("restore", copy, "--force")
        assert done.exit_code == 0, done.stderr


@pytest.fixture
def desk(postgres: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with postgres.database() as dsn:
        monkeypatch.setenv("RISKWARDEN_POSTGRESQL_DSN", dsn)
        yield Desk(tmp_path, tmp_path / "policy.toml")


def tell(core: Core, restricting: str) -> None:
    """A breach that trips the kill switch, and one that restricts."""
    now = utc_now()
    times = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(minutes=1)).isoformat()}
    names = {"severity": "emergency", "tier": "emergency", "account": "main"}
    kill = {"alertname": "DRAWDOWN", "risk_id": "drawdown/main", "action": "kill_switch"}
    hold = {"alertname": "VAR", "risk_id": restricting, "action": "block_trade"}
    alerts = [{"labels": names | one, "annotations": {}, **times} for one in (kill, hold)]
    batch = Parser(Severity.WARNING, lease_seconds=60).parse(
        Feed.ALERTS, json.dumps(alerts).encode(), now
    )
    core.recorder.take_batch(batch, Received(), ()).result(30)


def content(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    """Every table of the state and every checkpoint."""
    names = {name for name in tables.names(connection) if not name.startswith("audit_")}
    found = {}
    for name in (names | {"audit_checkpoint"}) - {"store_version"}:
        columns = ", ".join(f'"{column}"' for column in tables.columns(connection, name))
        rows = connection.execute(f"SELECT {columns} FROM {name}").fetchall()  # noqa: S608
        found[name] = sorted(rows, key=repr)
    return found


def records(connection: Connection) -> list[object]:
    return list(tables.rows(connection))


def old_records(desk: Desk) -> None:
    """From a time whose payloads retention has deleted by now."""
    archive = Archive(desk.data / "audit" / "audit.db", begin=utc_now() - timedelta(days=300))
    archive.add(count=3)
    archive.come_to(archive.now + timedelta(days=100))
    assert archive.prune() == 3
    archive.writer.stop(30)


def fill(desk: Desk) -> None:
    """A row in every table that is empty, with something of each type in it."""
    with closing(sqlite3.connect(desk.data / "audit" / "audit.db")) as connection, connection:
        for name in tables.names(connection):
            (count,) = connection.execute(f"SELECT count(*) FROM {name}").fetchone()  # noqa: S608
            if count or name in LOOKED_AFTER:
                continue
            columns = connection.execute(f"PRAGMA table_info({name})").fetchall()
            values = [
                VALUES[kind] if required or key else None
                for _, _, kind, required, _, key in columns
            ]
            marks = ", ".join("?" for _ in columns)
            connection.execute(f"INSERT INTO {name} VALUES ({marks})", values)  # noqa: S608


def another_message(transaction: Transaction, kind: str) -> int:
    """Its number, which is given back again."""
    row = transaction.connection.execute(
        "INSERT INTO message (subject, channel, kind, body, created_at) VALUES ('', '', ?, ?, '') "
        "RETURNING id",
        (kind, b""),
    ).fetchone()
    transaction.connection.execute("DELETE FROM message WHERE id = ?", row)
    return int(row[0])


def test_a_store_that_moves_keeps_its_chain_its_signatures_its_state_and_a_kill(
    desk: Desk,
) -> None:
    desk.keep_in("sqlite")
    old_records(desk)
    with open_core(desk.policy, desk.data, Telemetry()) as core:
        tell(core, "var/main")
    fill(desk)
    signing_key = desk.data / "audit" / "signing.key"
    for backend in ("postgresql", "jsonl", "sqlite"):
        before, chain = desk.ask(content), desk.ask(records)
        place = named_place(desk.policy.alerting.audit, desk.data)
        warned = verify_store(place, signing_key=signing_key).warnings
        assert all(before.values()), [name for name, rows in before.items() if not rows]
        desk.move_to(backend)
        assert desk.ask(content) == before
        there = desk.ask(records)
        assert there[: len(chain)] == chain
        types = [event.event_type for event in desk.ask(partial(events, after_seq=len(chain)))]
        assert types == ["AUDIT_BACKED_UP", "AUDIT_RESTORED"]
        place = named_place(desk.policy.alerting.audit, desk.data)
        found = verify_store(place, signing_key=signing_key)
        assert (found.problems, found.warnings) == ((), warned)
        assert (found.events, found.deleted) == (len(there), 3)
        shutil.rmtree(desk.data / "gate")  # the store alone has to know of the kill
        with open_core(desk.policy, desk.data, Telemetry()) as core:
            assert core.gate.is_halted
            assert core.checkpointer.problem == ""
            tell(core, f"var/in-{backend}")
            last = max(int(str(row[0])) for row in before["message"])
            assert core.writer.run(partial(another_message, kind=backend), 30) > last
        assert verify_store(place, signing_key=signing_key).ok
