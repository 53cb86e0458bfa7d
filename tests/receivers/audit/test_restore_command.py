"""`riskwarden audit restore`: no way to put an old copy back quietly, nor one that is no good."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
from copied_store import audit, lengthen, told
from stores import in_every_backend

from risk_receivers.audit import query
from risk_receivers.audit.chain import Head
from risk_receivers.audit.errors import UnreadableDatabaseError
from risk_receivers.database.place import Place, Segmented, Server, path_of
from risk_receivers.gate.folder import FolderLock
from risk_receivers.store import head_file
from risk_receivers.verification import verify_store


@in_every_backend("database")
def test_a_backup_goes_into_an_empty_place_and_says_where_it_is_from(
    copy: Path, empty: Place
) -> None:
    folder = path_of(empty).parent
    done = audit("restore", copy, "--data", folder.parent, "--reason", "new machine")
    assert done.exit_code == 0, done.stderr
    event = told(empty)
    assert event.event_type == "AUDIT_RESTORED"
    assert event.payload is not None
    assert event.payload.action_reason == "new machine"
    assert event.payload.details["file_sha256"] == sha256(copy.read_bytes()).hexdigest()
    assert event.payload.details["lost_records"] == 0
    found = verify_store(empty)
    assert (found.ok, found.events, found.warning_count) == (True, 14, 0)
    assert head_file.read(path_of(empty)) == found.head
    there = {"audit.db.head", "audit.db.lock"}
    there |= set() if isinstance(empty, Server) else {"audit.db"}
    there |= {"audit.db.chain"} if isinstance(empty, Segmented) else set()
    assert {one.name for one in folder.iterdir()} == there
    lengthen(empty, 2)
    assert verify_store(empty).ok


@in_every_backend("database")
def test_what_is_there_is_moved_aside_only_by_force(data: Path, store: Place, copy: Path) -> None:
    done = audit("restore", copy, "--data", data)
    assert done.exit_code == 2
    assert "--force" in done.stderr
    lengthen(store, 1)
    ahead = query.head(store)
    done = audit("restore", copy, "--data", data, "--force", "--accept-loss", 1)
    assert done.exit_code == 0, done.stderr
    aside = re.findall(r"[a-z.]+db\.replaced-\w+|schema riskwarden_replaced_\w+", done.stdout)
    assert len(aside) == 1
    if isinstance(store, Server):
        with psycopg.connect(store.dsn) as connection:
            schema = aside[0].removeprefix("schema ")
            question = f"SELECT max(seq) FROM {schema}.audit_header"  # noqa: S608 - its name
            assert connection.execute(question.encode()).fetchone() == (ahead.size,)
    else:
        moved = path_of(store).with_name(aside[0])
        assert query.head(moved) == ahead
        assert verify_store(moved).ok
    event = told(store)
    assert event.payload is not None
    assert event.payload.details["replaced_head"] == str(ahead)
    assert verify_store(store).ok


@in_every_backend("database")
def test_an_old_backup_is_not_restored_unless_the_loss_is_named(
    data: Path, store: Place, copy: Path
) -> None:
    lengthen(store, 5)  # beyond the record of the backup itself, which is beside the copy
    for given in ((), ("--accept-loss", 4), ("--accept-loss", 6)):
        done = audit("restore", copy, "--data", data, "--force", *given)
        assert done.exit_code == 1
        assert "--accept-loss 5" in " ".join(done.stderr.split())
        assert query.head(store).size == 18
    seen = verify_store(store).tree  # by whoever keeps heads elsewhere
    done = audit("restore", copy, "--data", data, "--force", "--accept-loss", 5)
    assert done.exit_code == 0
    assert "5 records are lost" in done.stderr
    assert verify_store(store).ok
    assert "cut off" in str(verify_store(store, kept=Head(seen.size, seen.root.hex())).problems)
    event = told(store)
    assert event.payload is not None
    assert (event.payload.details["lost_records"], event.payload.severity) == (5, "critical")


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_the_noted_head_alone_is_enough_to_see_a_loss(data: Path, store: Place, copy: Path) -> None:
    lengthen(store, 4)
    if isinstance(store, Server):
        with psycopg.connect(store.dsn) as connection:
            connection.execute("DROP SCHEMA riskwarden CASCADE")
    else:
        path_of(store).unlink()
    done = audit("restore", copy, "--data", data)
    assert done.exit_code == 1
    assert "--accept-loss 4" in " ".join(done.stderr.split())


def test_a_backup_of_another_chain_costs_all_records(
    data: Path, store: Path, copy: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "audit" / "audit.db"
    lengthen(other, 40)
    assert audit("backup", tmp_path / "other.db", "--data", tmp_path / "other").exit_code == 0
    done = audit("restore", tmp_path / "other.db", "--data", data, "--force")
    assert done.exit_code == 1
    assert "another chain" in done.stderr
    assert "--accept-loss 13" in " ".join(done.stderr.split())


def test_nobody_says_that_records_are_lost_where_none_are(copy: Path, tmp_path: Path) -> None:
    done = audit("restore", copy, "--data", tmp_path / "fresh", "--accept-loss", 3)
    assert done.exit_code == 2
    assert "no records are lost" in done.stderr


@in_every_backend("database")
def test_a_damaged_backup_is_refused(copy: Path, empty: Place, tamper: Callable[..., None]) -> None:
    tamper(copy, "UPDATE audit_payload SET salt = zeroblob(16) WHERE seq = 9")
    folder = path_of(empty).parent
    done = audit("restore", copy, "--data", folder.parent)
    assert done.exit_code == 1
    assert "record 9" in done.stderr
    assert not [one for one in folder.iterdir() if one.suffix != ".lock"]
    with pytest.raises(UnreadableDatabaseError):
        query.head(empty)


def test_a_cut_off_backup_is_refused_by_the_head_beside_it(
    copy: Path, tmp_path: Path, tamper: Callable[..., None]
) -> None:
    tamper(
        copy, "DELETE FROM audit_payload WHERE seq > 8", "DELETE FROM audit_header WHERE seq > 8"
    )
    done = audit("restore", copy, "--data", tmp_path / "fresh")
    assert done.exit_code == 1
    assert "its end was cut off" in done.stderr


def test_a_backup_whose_state_was_changed_is_refused_by_the_receipt_beside_it(
    copy: Path, tmp_path: Path, tamper: Callable[..., None]
) -> None:
    tamper(copy, "CREATE TABLE IF NOT EXISTS incident (risk_id TEXT)")
    done = audit("restore", copy, "--data", tmp_path / "fresh")
    assert done.exit_code == 1
    assert "was changed since it was made" in " ".join(done.stderr.split())
    copy.with_name("copy.db.receipt").write_text("{}\n")
    done = audit("restore", copy, "--data", tmp_path / "fresh")
    assert done.exit_code == 1
    assert "not the receipt that was written" in " ".join(done.stderr.split())


def test_nothing_is_restored_under_running_receivers(data: Path, copy: Path, store: Path) -> None:
    before = store.read_bytes()
    with closing(_Held(data / "gate")):
        done = audit("restore", copy, "--data", data, "--force", "--accept-loss", 1)
    assert done.exit_code == 2
    assert "another receivers service" in done.stderr
    assert store.read_bytes() == before


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_nothing_is_restored_on_a_server_that_somebody_else_uses(
    data: Path, copy: Path, store: Server
) -> None:
    before = query.head(store)
    with psycopg.connect(store.dsn, application_name="riskwarden"):
        done = audit("restore", copy, "--data", data, "--force")
    assert done.exit_code == 2
    assert "stop the receivers" in " ".join(done.stderr.split())
    assert query.head(store) == before


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_what_another_program_has_in_the_database_is_left_alone(copy: Path, empty: Server) -> None:
    with psycopg.connect(empty.dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA riskwarden")
        connection.execute("CREATE TABLE riskwarden.theirs (x int)")
        done = audit("restore", copy, "--data", empty.path.parent.parent, "--force")
        assert done.exit_code == 2
        assert "another program's" in done.stderr
        assert connection.execute("SELECT count(*) FROM riskwarden.theirs").fetchone() == (0,)


def test_what_is_no_backup_is_said_to_be_none(tmp_path: Path, copy: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    for path in (text, tmp_path / "gone.db"):
        assert audit("restore", path, "--data", tmp_path / "fresh").exit_code == 2


class _Held:
    """As receivers hold it."""

    def __init__(self, folder: Path) -> None:
        self._lock = FolderLock(folder)

    def close(self) -> None:
        self._lock.release()
