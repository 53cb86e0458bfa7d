"""`riskwarden audit restore`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from risk_policy.clock import utc_now
from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit import checkpoint_table, tables
from risk_receivers.audit.chain import EMPTY, Head
from risk_receivers.audit.event import AuditEvent
from risk_receivers.database.connection import DATABASE_ERRORS, Connection
from risk_receivers.errors import ReceiversError
from risk_receivers.gate.folder import FolderLock
from risk_receivers.signer.files import read_state, state_path
from risk_receivers.store import head_file
from risk_receivers.store.backup import (
    BackupError,
    check,
    copied,
    digest_of,
    move_aside,
    take_place,
)
from riskwarden.commands.audit.common import progress_bar
from riskwarden.commands.common import (
    LATEST,
    DataOption,
    PolicyOption,
    fail,
    interruptible,
    is_file,
    out,
    policy_or_fail,
    warn,
)
from riskwarden.lenient import LenientPolicy
from riskwarden.on_record import NotRecordedError, record
from riskwarden.operator import operator_name, printable
from riskwarden.stack.layout import Layout


def restore(
    source: Annotated[Path, typer.Argument(metavar="BACKUP", help="A copy by audit backup.")],
    force: Annotated[
        bool, typer.Option("--force", help="Move aside what is there; it is kept.")
    ] = False,
    accept_loss: Annotated[
        int | None,
        typer.Option("--accept-loss", metavar="RECORDS", help="That so many records are lost."),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes on record.")] = "",
    data: DataOption = LATEST,
    policy: PolicyOption = None,
) -> None:
    """Put a backup in the place of the store, while no receivers run on it.

    It is verified first. Where the head that is noted beside the store lies beyond it, records are
    lost; their number has to be named with --accept-loss. That it was restored, from what, and what
    is lost stands in the restored chain itself.
    """
    loaded = policy_or_fail(policy)
    if (backend := loaded.alerting.audit.storage_backend) != "sqlite":
        fail(f"a {backend} store is put back as docs/backup.md says, not by this command")
    database = data / LenientPolicy(policy).database
    if not is_file(source):
        fail(f"{source}: no backup, or not for you to read")
    if database.exists() and not force:
        fail(f"{database}: is there already; --force moves it aside")
    database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with (
            _alone(data),
            interruptible(),
            progress_bar("verifying", "copying", "verifying") as (first, copying, verifying),
        ):
            check(source, str(source), first)
            with copied(source, database, copying=copying, verifying=verifying) as copy:
                signing_key = data / LenientPolicy(policy).signing_key
                noted = _noted(database, signing_key)
                lost = _lost_or_fail(copy.path, copy.head, noted, accept_loss)
                event = _event(source, copy.head, noted, lost, reason)
                # Before it takes its place: no restored store is ever there that does not say so.
                seq = record(copy.path, loaded, event)
                suffix = f"replaced-{utc_now():%Y%m%dT%H%M%SZ}"
                moved = move_aside(database, suffix)
                if lost:
                    _let_it_sign_again(signing_key, suffix)
                take_place(copy.path, database)
    except NotRecordedError as error:
        fail(f"{error}; nothing was restored, since it could not be put on record")
    except BackupError as error:
        fail(str(error), 1)
    except ReceiversError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{database}: {error}")
    except KeyboardInterrupt:
        fail("interrupted; nothing was restored", 130)
    if lost:
        warn(f"{lost} records are lost; record {seq} says so")
    aside = f"; what was there is {moved.name} now" if moved else ""
    out.print(
        f"{database}: restored up to record {copy.head.size}, head {copy.head}{aside}", markup=False
    )


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """With no receivers on this data folder, nor any that start."""
    lock = FolderLock(Layout(data).gate)
    try:
        yield
    finally:
        lock.release()


def _noted(database: Path, signing_key: Path) -> Head | None:
    """The furthest that the store is known to have reached: by its noted head, itself, its signer.

    Each of them may be gone or unreadable, which is what something is being restored for.
    """
    heads: list[Head] = []
    with contextlib.suppress(head_file.NotedHeadError):
        if noted := head_file.read(database):
            heads.append(noted)
    if database.exists():
        with contextlib.suppress(ReceiversError, *DATABASE_ERRORS):
            heads.append(tables.read(database, tables.head))
    with contextlib.suppress(ReceiversError, OSError):
        state = read_state(state_path(signing_key))
        if state.size > max((head.size for head in heads), default=0):
            heads.append(Head(state.size, state.tree.root.hex()))
    return max(heads, key=lambda head: head.size, default=None)


def _let_it_sign_again(signing_key: Path, suffix: str) -> None:
    """A signer refuses what does not go on from what it has signed, and rightly so.

    Somebody has named what is lost and it is on record; what was signed is kept beside.
    """
    state = state_path(signing_key)
    if state.exists():
        state.rename(state.with_name(f"{state.name}.{suffix}"))


def _lost_or_fail(copy: Path, head: Head, noted: Head | None, accepted: int | None) -> int:
    """How many records are lost, or the command ends unless somebody has named their number."""
    if noted is None or noted == EMPTY:
        lost, why = 0, ""
    elif noted.size > head.size:
        lost = noted.size - head.size
        why = f"the store had {noted.size} records, the backup has {head.size}"
    else:
        is_same = noted.checksum in _seen_at(copy, noted.size)
        lost = 0 if is_same else noted.size
        why = f"the backup is of another chain: its record {noted.size} is not the store's"
    if lost != (accepted or 0):
        if not lost:
            fail(f"--accept-loss {accepted}: no records are lost; leave it out")
        fail(f"{why}: {lost} would be lost. To go on, --accept-loss {lost}", 1)
    return lost


def _seen_at(copy: Path, size: int) -> set[str]:
    """The checksum and the root that a chain had at a size."""

    def ask(connection: Connection) -> set[str]:
        tree = checkpoint_table.tree(connection, size)
        tree.extend(tables.checksums(connection, tree.size, size))
        row = tables.row_at(connection, size)
        checksum = row.checksum if row is not None else None
        return {tree.root.hex(), checksum.hex() if isinstance(checksum, bytes) else ""}

    return tables.read(copy, ask)


def _event(source: Path, head: Head, noted: Head | None, lost: int, reason: str) -> AuditEvent:
    by_whom = operator_name()
    losing = f", losing {lost} records" if lost else ""
    return AuditEvent(
        EventType.AUDIT_RESTORED,
        f"the audit store was restored by {by_whom} from {source.name}, up to record "
        f"{head.size}{losing}",
        severity=Severity.CRITICAL if lost else Severity.WARNING,
        category=Category.SECURITY,
        actor_type=ActorType.USER,
        actor_id=by_whom,
        action_taken="restored",
        action_reason=printable(reason),
        details={
            "file": source.name,
            "file_sha256": digest_of(source),
            "backup_head": str(head),
            "replaced_head": None if noted is None else str(noted),
            "lost_records": lost,
        },
    )
