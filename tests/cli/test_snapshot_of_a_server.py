"""A safety snapshot of a record that a server keeps: all of it is seen, and none of it touched."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from postgres_cluster import Cluster
from snapshot_desk import NOBODY

from risk_policy import load_policy
from risk_policy.contracts.audit import EventType
from risk_policy.contracts.safety_snapshot import SafetySnapshot
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.event import AuditEvent
from risk_receivers.core import open_core
from risk_receivers.database.connection import Connection, ServerError
from risk_receivers.database.place import Server
from risk_receivers.intake.alert import Feed
from risk_receivers.intake.parse import Parser
from risk_receivers.recorder import Received
from risk_receivers.telemetry import Telemetry
from riskwarden.safety_snapshot.markdown import markdown
from riskwarden.safety_snapshot.store import _untouched
from riskwarden.safety_snapshot.taking import Wanted, take

DSN = "RISKWARDEN_POSTGRESQL_DSN"
SECRET = "hunter2hunter2"
POLICY = f'{NOBODY}\n[alerting.audit]\nstorage_backend = "postgresql"\n'


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    return path


@pytest.fixture
def dsn(
    postgres: Cluster, policy: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Of a database in which a kill, a restriction and a drill are on record."""
    with postgres.database() as found:
        monkeypatch.setenv(DSN, found)
        now = datetime.now(UTC)
        times = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(minutes=1)).isoformat()}
        names = {"severity": "emergency", "tier": "emergency", "account": "main"}
        kill = {"alertname": "DRAWDOWN", "risk_id": "drawdown/main", "action": "kill_switch"}
        hold = {"alertname": "VAR", "risk_id": "var/main", "action": "block_trade"}
        alerts = [{"labels": names | one, "annotations": {}, **times} for one in (kill, hold)]
        parser = Parser(Severity.WARNING, lease_seconds=60)
        batch = parser.parse(Feed.ALERTS, json.dumps(alerts).encode(), now)
        drill = AuditEvent(
            EventType.DRILL_ENDED,
            "it is over",
            category=Category.SYSTEM,
            details={"drill_id": "DRILL-0007", "scenario": "kill-pause", "result": "PASS"},
            actor_id="olga",
        )
        with open_core(load_policy(policy), data, Telemetry()) as core:
            core.recorder.take_batch(batch, Received(), ()).result(30)
            core.writer.run(lambda transaction: transaction.append(drill), 30)
        yield found


def taken(
    policy: Path, data: Path, tmp_path: Path, environ: dict[str, str], **more: Any
) -> SafetySnapshot:
    wanted = Wanted(data=data, policy=policy, drills=tmp_path / "drills", **more)
    return take(wanted, environ=environ)


def held(dsn: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, with who wrote it and where it lies, and the tables themselves."""
    with psycopg.connect(dsn) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
        ).fetchall()
        assert tables
        found = {
            name: connection.execute(
                f"SELECT xmin::text, xmax::text, ctid::text, t::text FROM {name} t ORDER BY 3"  # noqa: S608
            ).fetchall()
            for (name,) in tables
        }
        found["itself"] = connection.execute(
            "SELECT oid::text, relname, relfilenode::text, relkind::text, relpages, reltuples "
            "FROM pg_class ORDER BY oid"
        ).fetchall()
        return found


def is_all_there(one: SafetySnapshot) -> None:
    assert one.kill_switches is not None
    (kill,) = one.kill_switches
    assert (kill.cause, kill.on_record) == ("DRAWDOWN", True)
    assert one.restrictions is not None
    assert [(it.kind, it.on_record) for it in one.restrictions] == [("block_trade", True)]
    assert one.chain.head is not None
    assert one.chain.is_whole is True
    (drill,) = (it for it in one.drills if it.scenario == "kill-pause")
    assert (drill.result, drill.operator, drill.evidence) == ("PASS", "olga", "audit chain")


def test_all_is_seen_and_the_database_holds_what_it_held(
    policy: Path, data: Path, tmp_path: Path, dsn: str
) -> None:
    before = held(dsn)
    one = taken(policy, data, tmp_path, dict(os.environ))
    is_all_there(one)
    assert held(dsn) == before
    assert "by GET on this machine and the PostgreSQL database of the policy within" in markdown(
        one
    )
    assert dsn not in one.model_dump_json()


def test_who_may_read_and_nothing_else_can_take_one(
    policy: Path, data: Path, tmp_path: Path, dsn: str
) -> None:
    role = f"reader_{uuid4().hex}"
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {role} LOGIN")
        owner.execute(f"GRANT USAGE ON SCHEMA riskwarden TO {role}")
        owner.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA riskwarden TO {role}")
        reader = dsn.replace("user=postgres", f"user={role}")
        assert reader != dsn
        is_all_there(taken(policy, data, tmp_path, {DSN: reader}))
        owner.execute(f"DROP OWNED BY {role}")
        owner.execute(f"DROP ROLE {role}")


@pytest.mark.parametrize(
    "attempt",
    [
        ("DELETE FROM audit_payload",),
        ("SET TRANSACTION READ WRITE", "DELETE FROM audit_payload"),
        ("CREATE TABLE mine (x INTEGER)",),
    ],
)
def test_the_server_lets_nobody_write_in_it(data: Path, dsn: str, attempt: tuple[str, ...]) -> None:
    def ask(connection: Connection) -> None:
        for statement in attempt:
            connection.execute(statement)

    with pytest.raises(ServerError, match=r"read-only transaction|before any query"):
        _untouched(Server(dsn, data / "audit.db"), ask)


@pytest.mark.parametrize(
    ("environ", "ask", "state", "said"),
    [
        ({DSN: f"host=127.0.0.1 port=1 dbname=d user=bob password={SECRET}"}, True,
         "unreadable", "riskwarden audit verify says why"),
        ({DSN: f"{SECRET}"}, True, "unreadable", "riskwarden audit verify says why"),
        ({}, True, "not asked", f"{DSN}"),
        ({DSN: "host=127.0.0.1 port=1 dbname=d"}, False, "not asked", "files alone"),
    ],
)  # fmt: skip
def test_a_server_that_does_not_answer_leaves_everything_unknown(
    policy: Path,
    data: Path,
    tmp_path: Path,
    environ: dict[str, str],
    ask: bool,
    state: str,
    said: str,
) -> None:
    one = taken(policy, data, tmp_path, environ, ask=ask)
    assert one.kill_switches is None
    assert one.restrictions is None
    assert one.chain.head is None
    (source,) = (it for it in one.sources if it.where == "the PostgreSQL database of the policy")
    assert source.state.value == state
    assert said in source.note
    assert SECRET not in one.model_dump_json()
    assert "bob" not in one.model_dump_json()
