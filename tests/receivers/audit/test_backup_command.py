"""`riskwarden audit backup` and `restore`: a good copy, and no way to put one back quietly."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from risk_policy.contracts.audit import EventType
from risk_policy.model.audit import AuditRetention
from risk_receivers.audit import query
from risk_receivers.audit.event import AuditEvent
from risk_receivers.database.place import Place, Segmented
from risk_receivers.gate.folder import FolderLock
from risk_receivers.store import backup as backups
from risk_receivers.store import head_file
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.verification import verify_store
from riskwarden.app import application


def audit(command: str, *arguments: object) -> Result:
    given = ["audit", command, *map(str, arguments)]
    return CliRunner().invoke(application(given), given)


@pytest.fixture
def data(database: Path, tmp_path: Path) -> Path:
    """A data folder with a store of twelve records."""
    folder = tmp_path / "data"
    (folder / "audit").mkdir(parents=True)
    for file in database.parent.glob("audit.db*"):
        file.rename(folder / "audit" / file.name)
    return folder


@pytest.fixture
def store(data: Path) -> Path:
    return data / "audit" / "audit.db"


@pytest.fixture
def copy(data: Path, tmp_path: Path) -> Path:
    """A backup of it, of which the store has told since."""
    done = audit("backup", tmp_path / "copy.db", "--data", data)
    assert done.exit_code == 0, done.stderr
    return tmp_path / "copy.db"


def told(store: Path) -> query.StoredEvent:
    return query.events(store, query.head(store).size - 1)[0]


def lengthen(store: Place, count: int) -> None:
    writer = Writer(store, origin="test", retention=AuditRetention(), batch=50, queue_depth=50)
    writer.start()
    for number in range(count):
        event = AuditEvent(EventType.ALERT_CREATED, f"later {number}")
        writer.run(partial(Transaction.append, event=event), timeout=30)
    writer.stop()


def test_a_copy_is_verified_stands_alone_and_is_on_record(store: Path, copy: Path) -> None:
    assert sorted(copy.parent.glob("*copy.db*")) == [copy, copy.with_name("copy.db.head")]
    assert copy.stat().st_mode & 0o777 == 0o600
    found = verify_store(copy)
    assert (found.ok, found.events, found.warning_count) == (True, 12, 0)
    event = told(store)
    assert event.event_type == "AUDIT_BACKED_UP"
    assert event.payload is not None
    assert event.payload.details["head"] == str(found.head)
    assert event.payload.details["file_sha256"] == sha256(copy.read_bytes()).hexdigest()
    assert verify_store(store).ok


def test_a_backup_replaces_nothing(data: Path, copy: Path, store: Path) -> None:
    before = copy.read_bytes()
    done = audit("backup", copy, "--data", data)
    assert done.exit_code == 2
    assert "never replaces" in done.stderr
    assert copy.read_bytes() == before
    assert query.head(store).size == 13


def test_it_is_taken_while_writers_write(
    data: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "_PAGES", 1)
    writer = Writer(store, origin="test", retention=AuditRetention(), batch=50, queue_depth=50)
    writer.start()
    over = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        while not over.is_set():
            event = AuditEvent(EventType.ALERT_CREATED, "more" * 500)
            writer.run(partial(Transaction.append, event=event), timeout=30)
            written += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(3):
            done = audit("backup", tmp_path / f"{number}.db", "--data", data)
            assert done.exit_code == 0, done.stderr
    finally:
        over.set()
        thread.join()
        writer.stop()
    assert written > 3
    sizes = [verify_store(tmp_path / f"{number}.db").head.size for number in range(3)]
    assert sizes == sorted(set(sizes))
    assert verify_store(store).ok


def test_a_broken_store_gives_no_backup(
    data: Path, store: Path, tmp_path: Path, tamper: Callable[..., None]
) -> None:
    tamper(store, "UPDATE audit_payload SET salt = zeroblob(16) WHERE seq = 9")
    done = audit("backup", tmp_path / "copy.db", "--data", data)
    assert done.exit_code == 1
    assert "record 9" in done.stderr
    assert not list(tmp_path.glob("*copy*"))
    assert query.head(store).size == 12


def test_a_backup_goes_into_an_empty_folder_and_says_where_it_is_from(
    copy: Path, tmp_path: Path
) -> None:
    fresh = tmp_path / "fresh"
    done = audit("restore", copy, "--data", fresh, "--reason", "new machine")
    assert done.exit_code == 0, done.stderr
    restored = fresh / "audit" / "audit.db"
    event = told(restored)
    assert event.event_type == "AUDIT_RESTORED"
    assert event.payload is not None
    assert event.payload.action_reason == "new machine"
    assert event.payload.details["file_sha256"] == sha256(copy.read_bytes()).hexdigest()
    assert event.payload.details["lost_records"] == 0
    found = verify_store(restored)
    assert (found.ok, found.events) == (True, 13)
    assert head_file.read(restored) == found.head
    assert {one.name for one in restored.parent.iterdir()} == {"audit.db", "audit.db.head"}
    lengthen(restored, 2)
    assert verify_store(restored).ok


def test_what_is_there_is_moved_aside_only_by_force(data: Path, store: Path, copy: Path) -> None:
    done = audit("restore", copy, "--data", data)
    assert done.exit_code == 2
    assert "--force" in done.stderr
    ahead = query.head(store)
    done = audit("restore", copy, "--data", data, "--force", "--accept-loss", 1)
    assert done.exit_code == 0, done.stderr
    aside = [one for one in store.parent.glob("audit.db.replaced-*") if one.suffix != ".head"]
    assert [query.head(one) for one in aside] == [ahead]
    assert verify_store(aside[0]).ok
    event = told(store)
    assert event.payload is not None
    assert event.payload.details["replaced_head"] == str(ahead)


def test_an_old_backup_is_not_restored_unless_the_loss_is_named(
    data: Path, store: Path, copy: Path
) -> None:
    lengthen(store, 4)  # and one that tells of the backup itself
    for given in ((), ("--accept-loss", 4), ("--accept-loss", 6)):
        done = audit("restore", copy, "--data", data, "--force", *given)
        assert done.exit_code == 1
        assert "--accept-loss 5" in " ".join(done.stderr.split())
        assert query.head(store).size == 17
    done = audit("restore", copy, "--data", data, "--force", "--accept-loss", 5)
    assert done.exit_code == 0
    assert "5 records are lost" in done.stderr
    event = told(store)
    assert event.payload is not None
    assert (event.payload.details["lost_records"], event.payload.severity) == (5, "critical")


def test_the_noted_head_alone_is_enough_to_see_a_loss(data: Path, store: Path, copy: Path) -> None:
    lengthen(store, 4)
    store.unlink()
    done = audit("restore", copy, "--data", data)
    assert done.exit_code == 1
    assert "--accept-loss 5" in " ".join(done.stderr.split())


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


def test_a_damaged_backup_is_refused(
    copy: Path, tmp_path: Path, tamper: Callable[..., None]
) -> None:
    tamper(copy, "UPDATE audit_payload SET salt = zeroblob(16) WHERE seq = 9")
    done = audit("restore", copy, "--data", tmp_path / "fresh")
    assert done.exit_code == 1
    assert "record 9" in done.stderr
    assert not list((tmp_path / "fresh" / "audit").iterdir())


def test_a_cut_off_backup_is_refused_by_the_head_beside_it(
    copy: Path, tmp_path: Path, tamper: Callable[..., None]
) -> None:
    tamper(
        copy, "DELETE FROM audit_payload WHERE seq > 8", "DELETE FROM audit_header WHERE seq > 8"
    )
    done = audit("restore", copy, "--data", tmp_path / "fresh")
    assert done.exit_code == 1
    assert "its end was cut off" in done.stderr


def test_nothing_is_restored_under_running_receivers(data: Path, copy: Path, store: Path) -> None:
    before = store.read_bytes()
    with closing(_Held(data / "gate")):
        done = audit("restore", copy, "--data", data, "--force", "--accept-loss", 1)
    assert done.exit_code == 2
    assert "another receivers service" in done.stderr
    assert store.read_bytes() == before


def test_what_is_no_backup_is_said_to_be_none(tmp_path: Path, copy: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    for path in (text, tmp_path / "gone.db"):
        assert audit("restore", path, "--data", tmp_path / "fresh").exit_code == 2
    shutil.rmtree(tmp_path / "fresh", ignore_errors=True)


def test_a_store_in_segment_files_is_not_copied_by_halves(tmp_path: Path) -> None:
    folder = tmp_path / "segmented" / "audit"
    folder.mkdir(parents=True)
    lengthen(Segmented(folder / "audit.db"), 3)
    done = audit("backup", tmp_path / "copy.db", "--data", folder.parent)
    assert done.exit_code == 1
    assert "docs/backup.md" in done.stderr
    assert not list(tmp_path.glob("*copy*"))
    policy = tmp_path / "alerting.toml"
    policy.write_text('[alerting.audit]\nstorage_backend = "jsonl"\n')
    done = audit("restore", folder / "audit.db", "--data", tmp_path / "x", "--policy", policy)
    assert done.exit_code == 2
    assert "docs/backup.md" in done.stderr


class _Held:
    """As receivers hold it."""

    def __init__(self, folder: Path) -> None:
        self._lock = FolderLock(folder)

    def close(self) -> None:
        self._lock.release()
