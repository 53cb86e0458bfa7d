"""`riskwarden audit backup`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from risk_policy import Policy
from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.event import AuditEvent
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.database.place import Place
from risk_receivers.errors import ReceiversError
from risk_receivers.store import receipt
from risk_receivers.store.backup import BackupError, Copy, copied, publish
from riskwarden.commands.audit.common import DatabaseOption, database_or_fail, progress_bar
from riskwarden.commands.common import (
    LATEST,
    DataOption,
    PolicyOption,
    fail,
    interruptible,
    out,
    policy_or_fail,
)
from riskwarden.on_record import NotRecordedError, record
from riskwarden.operator import operator_name, printable


def backup(
    destination: Annotated[Path, typer.Argument(help="The copy, a file that is not there yet.")],
    reason: Annotated[str, typer.Option("--reason", help="What for; it goes on record.")] = "",
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    database: DatabaseOption = None,
) -> None:
    """Copy the whole store while the receivers run, and read the copy back whole.

    One SQLite file holds all of it, whichever backend the store is in, and goes back into any. Keep
    the three files that it makes together, on another machine. That it was made, where its chain
    ends and the file's digest go on record. Exit code 1: the store itself is broken.
    """
    loaded = policy_or_fail(policy)
    path = database_or_fail(database, data, policy)
    if not destination.parent.is_dir():
        fail(f"{destination.parent}: no such folder; make it, or mount what it is on")
    if destination.exists():
        fail(f"{destination}: is there already; a backup never replaces one")
    try:
        with interruptible():
            copy = back_up(path, loaded, destination, reason)
    except NotRecordedError as error:
        fail(f"{error}; no backup was made, since it could not be put on record")
    except BackupError as error:
        fail(str(error), 1)
    except (*DATABASE_ERRORS, OSError) as error:
        fail(f"{destination}: {error}")
    except ReceiversError as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("interrupted; no backup was made", 130)
    out.print(
        f"{destination}: verified, {copy.head.size} events, head {copy.head}, {copy.size} bytes, "
        f"SHA-256 {copy.digest}",
        markup=False,
    )


def back_up(place: Place, policy: Policy, destination: Path, reason: str) -> Copy:
    """Copy a store, verify the copy and put on record that it was made.

    Raises BackupError, NotRecordedError, and what files and databases raise.
    """
    by_whom = operator_name()
    with (
        progress_bar("copying", "verifying") as (copying, verifying),
        copied(place, destination, copying=copying, verifying=verifying) as copy,
    ):
        event = AuditEvent(
            EventType.AUDIT_BACKED_UP,
            f"the audit store was copied by {by_whom} to {destination.name}, up to record "
            f"{copy.head.size}",
            severity=Severity.INFO,
            category=Category.SECURITY,
            actor_type=ActorType.USER,
            actor_id=by_whom,
            action_taken="copied and verified",
            action_reason=printable(reason),
            details={
                "file": destination.name,
                "file_sha256": copy.digest,
                "head": str(copy.head),
            },
        )
        receipt.keep(place, record(place, policy, event), copy.path)
        publish(copy, destination)
    return copy
