"""A store in PostgreSQL: what can go wrong with a server, and what nobody gets to see of it."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from postgres_cluster import Cluster

from risk_policy.contracts.audit import EventType
from risk_policy.model.audit import Audit
from risk_receivers.audit import tables
from risk_receivers.audit.errors import UnreadableDatabaseError
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.query import events
from risk_receivers.database.connection import ServerError
from risk_receivers.database.idle import kept_open
from risk_receivers.database.place import Server
from risk_receivers.errors import StartError
from risk_receivers.store.errors import StoreBusyError, StoreError, StoreFailedError
from risk_receivers.store.places import place_of
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.verification import verify_store

Alert = Callable[[str], Callable[[Transaction], int]]
MakeWriter = Callable[..., Writer]
NOTES = ["CREATE TABLE IF NOT EXISTS note(id INTEGER PRIMARY KEY, text TEXT UNIQUE) STRICT"]
SECRET = "hunter2hunter2"


@pytest.fixture
def place(postgres: Cluster, tmp_path: Path) -> Iterator[Server]:
    """A new database."""
    with postgres.database() as dsn:
        yield Server(dsn, tmp_path / "audit.db")


@pytest.fixture
def writer(make_writer: MakeWriter, place: Server) -> Writer:
    """A running writer with a table of its own beside the chain."""
    writer = make_writer(database=place, schema=NOTES)
    writer.start()
    return writer


@contextmanager
def beside(place: Server) -> Iterator[psycopg.Connection[Any]]:
    """A connection of somebody else's."""
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        connection.execute("SET search_path = riskwarden")
        yield connection


def said(place: Server) -> list[str]:
    return [event.payload.message for event in events(place) if event.payload]


def test_a_connection_that_is_lost_ends_the_writer_and_the_next_goes_on_from_what_lasts(
    writer: Writer, make_writer: MakeWriter, place: Server, alert: Alert
) -> None:
    writer.run(alert("a"), 30)
    with beside(place) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid != pg_backend_pid()"
        )
    with pytest.raises(StoreFailedError):
        writer.run(alert("b"), 30)
    assert not writer.takes_work
    second = make_writer(database=place)
    second.start()
    assert second.end_is_proven
    assert second.run(alert("c"), 30) == 2
    assert said(place) == ["a", "c"]
    assert verify_store(place).ok


def test_a_work_that_passes_over_a_failed_statement_is_refused_alone(
    writer: Writer, place: Server, alert: Alert, gate: Any
) -> None:
    def careless(transaction: Transaction) -> None:
        transaction.append(AuditEvent(EventType.ALERT_CREATED, "never"))
        with pytest.raises(ServerError):
            transaction.connection.execute("SELECT 1 FROM gone")

    writer.submit(gate)
    before, failed, after = (writer.submit(work) for work in (alert("a"), careless, alert("b")))
    gate.let_go.set()
    assert (before.result(30), after.result(30)) == (1, 2)
    with pytest.raises(ServerError, match="aborted"):
        failed.result(30)
    assert said(place) == ["a", "b"]
    assert verify_store(place).ok


def test_who_holds_the_turn_for_too_long_makes_work_fail_for_now(
    make_writer: MakeWriter, place: Server, alert: Alert
) -> None:
    writer = make_writer(database=place, busy_timeout_seconds=0.2)
    writer.start()
    with beside(place) as other:
        other.execute("SELECT pg_advisory_lock(1383295831)")
        with pytest.raises(StoreBusyError, match="try again"):
            writer.run(alert("x"), 30)
    assert writer.run(alert("x"), 30) == 1


def test_text_that_postgresql_cannot_keep_is_kept_legibly(writer: Writer) -> None:
    def work(transaction: Transaction) -> list[tuple[object, ...]]:
        connection = transaction.connection
        for text in ("a\0b", "?1 :name 100%", "é'\"\\"):
            connection.execute("INSERT INTO note (text) VALUES (?)", (text,))
        assert connection.execute("SELECT id FROM note WHERE text = ?", ("a\0b",)).fetchone()
        return connection.execute("SELECT text FROM note ORDER BY id").fetchall()

    assert writer.run(work, 30) == [("a␀b",), ("?1 :name 100%",), ("é'\"\\",)]


def test_a_commit_is_synchronised_whatever_the_database_says(
    make_writer: MakeWriter, place: Server
) -> None:
    with beside(place) as other:
        (name,) = other.execute("SELECT current_database()").fetchone() or ("",)
        other.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
    writer = make_writer(database=place)
    writer.start()

    def work(transaction: Transaction) -> object:
        return transaction.connection.execute("SHOW synchronous_commit").fetchone()

    assert writer.run(work, 30) == ("on",)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_payload SET payload = 'x' WHERE seq = 2",
        "UPDATE audit_header SET header = 'x' WHERE seq = 2",
        "DELETE FROM audit_payload WHERE seq = 2",
        "ALTER TABLE audit_payload ALTER payload TYPE text USING encode(payload, 'hex')",
        "CREATE RULE no AS ON DELETE TO audit_header DO INSTEAD NOTHING",
        "ALTER TABLE audit_header ENABLE ROW LEVEL SECURITY",
        (
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; "
            "CREATE TRIGGER t BEFORE INSERT ON audit_header FOR EACH ROW EXECUTE FUNCTION f()"
        ),
        "ALTER TABLE audit_payload SET UNLOGGED",
        "ALTER TABLE audit_payload DROP CONSTRAINT audit_payload_pkey",
        (
            "CREATE TABLE more () INHERITS (audit_payload); "
            "INSERT INTO more SELECT 99, salt, payload FROM audit_payload WHERE seq = 1"
        ),
        "DROP TABLE audit_payload",
    ],
)
def test_what_somebody_did_to_the_tables_is_found(
    writer: Writer, place: Server, alert: Alert, statement: str
) -> None:
    for text in "abc":
        writer.run(alert(text), 30)
    assert verify_store(place).ok
    with beside(place) as other:
        other.execute(statement.encode())
    assert not verify_store(place).ok


def test_a_server_that_is_lost_while_it_is_verified_says_nothing_of_the_chain(
    writer: Writer, place: Server
) -> None:
    def many(transaction: Transaction) -> None:
        for number in range(600):
            transaction.append(AuditEvent(EventType.ALERT_CREATED, f"{number}"))

    writer.run(many, 30)

    def end_it(done: int, _: int) -> None:
        with beside(place) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid != pg_backend_pid()"
            )

    with pytest.raises(UnreadableDatabaseError, match=r"the server was lost: .* past 500 records"):
        verify_store(place, progress=end_it)


def test_a_server_that_has_lost_records_is_not_written_to(
    writer: Writer, make_writer: MakeWriter, place: Server, alert: Alert
) -> None:
    for text in "abc":
        writer.run(alert(text), 30)
    writer.stop()
    with beside(place) as other:  # as after a backup, or a standby that was behind
        other.execute("DELETE FROM audit_payload WHERE seq = 3")
        other.execute("DELETE FROM audit_header WHERE seq = 3")
    assert "cut off" in str(verify_store(place).problems)
    with pytest.raises(StoreError, match="records were lost"):
        make_writer(database=place).start()


def test_a_schema_that_is_not_ours_or_newer_is_refused(
    make_writer: MakeWriter, place: Server
) -> None:
    with beside(place) as other:
        other.execute("CREATE SCHEMA riskwarden")
        other.execute("CREATE TABLE theirs (x int)")
    with pytest.raises(StoreError, match="another program's"):
        make_writer(database=place).start()
    with pytest.raises(UnreadableDatabaseError, match="another program's"):
        tables.open_read_only(place)
    with beside(place) as other:
        other.execute("DROP TABLE theirs")
    make_writer(database=place).start()
    with beside(place) as other:
        other.execute("UPDATE store_version SET version = 99")
    with pytest.raises(StoreError, match="newer program"):
        make_writer(database=place).start()


def test_what_was_recorded_in_sqlite_is_not_left_behind_by_accident(
    make_writer: MakeWriter, place: Server
) -> None:
    make_writer(database=place.path).start()
    with pytest.raises(StoreError, match="move it"):
        make_writer(database=place).start()


@pytest.mark.parametrize(
    "dsn",
    [
        f"host=127.0.0.1 port=1 user=u dbname=d password={SECRET}",
        f"postgresql://u:{SECRET}@127.0.0.1:1/d",
        f"{SECRET} {SECRET}",
        f"host=127.0.0.1 port=1 password={SECRET}",
    ],
)
def test_no_error_tells_how_the_server_is_reached_in_secret(
    make_writer: MakeWriter, tmp_path: Path, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Server(dsn, tmp_path / "audit.db")
    with pytest.raises(StoreError) as writing:
        make_writer(database=place).start()
    with pytest.raises(UnreadableDatabaseError) as reading:
        tables.open_read_only(place)
    monkeypatch.setenv("RISKWARDEN_POSTGRESQL_DSN", dsn)
    told = [str(writing.value), str(reading.value), repr(place), str(place)]
    try:
        place_of(Audit(storage_backend="postgresql"), tmp_path)
    except StartError as error:
        told.append(str(error))
    assert SECRET not in "".join(told)
    assert writing.value.__context__ is None or SECRET not in repr(writing.value.__context__)


def test_the_dsn_is_missed_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RISKWARDEN_POSTGRESQL_DSN", raising=False)
    with pytest.raises(StartError, match=r"alerting\.audit\.postgresql\.dsn.*POSTGRESQL_DSN"):
        place_of(Audit(storage_backend="postgresql"), tmp_path)


def test_a_reader_is_served_by_a_process_that_has_many_files_open(
    writer: Writer, place: Server, alert: Alert
) -> None:
    writer.run(alert("a"), 30)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 1200), hard), hard))
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(1050)]
    try:
        with kept_open(place):
            for _ in range(2):
                assert said(place) == ["a"]
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_reader_takes_up_what_another_let_go_of_unless_the_server_has_ended_it(
    writer: Writer, place: Server, alert: Alert
) -> None:
    def number() -> int:
        with closing(tables.open_read_only(place)) as connection:
            found: tuple[int] = connection.execute("SELECT pg_backend_pid()").fetchone()
            return found[0]

    writer.run(alert("a"), 30)
    assert number() != number()
    with kept_open(place):
        first = number()
        assert number() == first
        with closing(tables.open_read_only(place)) as connection:
            connection.execute("BEGIN")  # and leaves it so
        second = number()
        assert second != first
        with beside(place) as other:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", (second,))
        assert number() != second
        with closing(tables.open_read_only(place)) as connection, pytest.raises(ServerError):
            connection.execute("DELETE FROM audit_payload")
