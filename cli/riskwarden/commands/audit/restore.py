"""`riskwarden audit restore`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from risk_policy import Policy
from risk_policy.clock import utc_now
from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.chain import Head
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.verify import Progress
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.database.place import Place, Segmented, path_of
from risk_receivers.errors import ReceiversError, StartError
from risk_receivers.gate.folder import FolderLock
from risk_receivers.schema import SCHEMA
from risk_receivers.signer.files import state_path
from risk_receivers.store import receipt
from risk_receivers.store.backup import BackupError, check, copied, digest_of
from risk_receivers.store.lock_file import LockFile
from risk_receivers.store.places import named_place
from risk_receivers.store.placing import file_chain, in_the_way, take_place
from risk_receivers.store.receipt import ReceiptError
from riskwarden.commands.audit.common import progress_bar
from riskwarden.commands.audit.loss import furthest, lost_or_fail
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
from riskwarden.on_record import NotRecordedError, record
from riskwarden.operator import operator_name, printable
from riskwarden.stack.layout import Layout

#: Beyond any turn of a writer that lives.
_PATIENCE_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Done:
    """What was restored.

    Attributes:
        seq: the record that says so.
        aside: what was there, by the names it has now.
    """

    head: Head
    lost: int
    seq: int
    aside: list[str]


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
    """Put a backup where the policy has the store kept, while no receivers run on it.

    Whichever backend the backup was made from: so a store moves from one to another. It is verified
    first. Where the head that is noted beside the store lies beyond it, records are lost; their
    number has to be named with --accept-loss. That it was restored, from what, and what is lost
    stands in the restored chain itself.
    """
    loaded = policy_or_fail(policy)
    try:
        target = named_place(loaded.alerting.audit, data)
    except StartError as error:
        fail(str(error))
    try:
        if not is_file(source):
            fail(f"{source}: no backup, or not for you to read")
        if not force and (there := in_the_way(target)):
            fail(f"{there[0]}: is there already; --force moves it aside")
        path_of(target).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(data, path_of(target)), interruptible():
            done = restored(source, target, loaded, data, accept_loss, reason)
        if isinstance(target, Segmented):
            with progress_bar("filing") as (filing,):
                filing(0, done.head.size)
                file_chain(target)
    except NotRecordedError as error:
        fail(f"{error}; nothing was restored, since it could not be put on record")
    except (BackupError, ReceiptError) as error:
        fail(str(error), 1)
    except (*DATABASE_ERRORS, OSError) as error:
        fail(f"{target}: {error}")
    except ReceiversError as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("interrupted; nothing was restored", 130)
    if done.lost:
        warn(f"{done.lost} records are lost; record {done.seq} says so")
    aside = f"; what was there is {' and '.join(done.aside)} now" if done.aside else ""
    out.print(
        f"{target}: restored up to record {done.head.size}, head {done.head}{aside}", markup=False
    )


def restored(
    source: Path, target: Place, policy: Policy, data: Path, accepted: int | None, reason: str
) -> Done:
    """Put a backup in a place, on which nobody else may be.

    Raises BackupError, ReceiptError, NotRecordedError, and what files and databases raise; the
    command ends if more would be lost than is accepted.
    """
    signing_key = data / policy.alerting.audit.signing.key_path
    with (
        progress_bar("verifying", "copying", "verifying", "placing") as bars,
        _copied_with_receipt(source, path_of(target), bars) as (copy, head),
    ):
        noted = furthest(target, signing_key)
        lost = lost_or_fail(copy, head, noted, accepted)
        event = _event(source, head, noted, lost, reason)
        # Before it takes its place: no restored store is ever there that does not say so.
        seq = record(copy, policy, event, schema=SCHEMA)
        suffix = f"replaced-{utc_now():%Y%m%dT%H%M%S%fZ}"

        def let_sign_again() -> None:
            if lost:
                _let_it_sign_again(signing_key, suffix)

        aside = take_place(copy, target, suffix, let_sign_again, bars[3])
    return Done(head, lost, seq, aside)


@contextmanager
def _copied_with_receipt(
    source: Path, database: Path, bars: list[Progress]
) -> Iterator[tuple[Path, Head]]:
    """A verified copy beside its later place, and where its chain ends.

    The receipt is its last record, if that was the store's next one.
    """
    check(source, str(source), bars[0])
    row = receipt.read(source, digest_of(source))
    with copied(source, database, copying=bars[1], verifying=bars[2]) as copy:
        head = copy.head
        if row is not None and receipt.follows(row, head):
            head = receipt.append(row, copy.path)
        yield copy.path, head


@contextmanager
def _alone(data: Path, database: Path) -> Iterator[None]:
    """With no receivers on this data folder, nor any that start, nor a command that records."""
    gate = FolderLock(Layout(data).gate)
    try:
        with (
            closing(LockFile(database.with_name(f"{database.name}.lock"))) as lock,
            lock.held(_PATIENCE_SECONDS),
        ):
            yield
    finally:
        gate.release()


def _let_it_sign_again(signing_key: Path, suffix: str) -> None:
    """A signer refuses what does not go on from what it has signed, and rightly so.

    Somebody has named what is lost and it is on record; what was signed is kept beside.
    """
    state = state_path(signing_key)
    if state.exists():
        state.rename(state.with_name(f"{state.name}.{suffix}"))


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
