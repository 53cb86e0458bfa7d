"""Chains as they are stored, or parts of them, given to a verifier; see :mod:`.verifier`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import reduce
from typing import Final

from risk_policy.clock import utc_now
from risk_receivers.audit import checkpoint_table, retention_records, tables
from risk_receivers.audit.chain import Head
from risk_receivers.audit.checkpoint_table import StoredCheckpoint
from risk_receivers.audit.clock_rule import ClockRule
from risk_receivers.audit.errors import UnreadableDatabaseError
from risk_receivers.audit.merkle import Tree
from risk_receivers.audit.note import VerifierKey
from risk_receivers.audit.record import StoredRow
from risk_receivers.audit.retained import Missing, Retained
from risk_receivers.audit.side_by_side import prechecked
from risk_receivers.audit.verifier import Verification, Verifier
from risk_receivers.audit.verify_checkpoints import CheckpointVerifier
from risk_receivers.database.connection import DATABASE_ERRORS, Connection, is_lost
from risk_receivers.database.place import Place

#: Called with the number of records checked so far and the number there are.
Progress = Callable[[int, int], None]
#: Looks for problems of its own in the same database.
Check = Callable[[Connection], Iterable[str]]

_ROWS_BETWEEN_PROGRESS: Final = 500
#: Read in one go; each is a few hundred bytes.
_CHECKPOINTS: Final = 500
#: Larger than a chain can be.
_NEVER: Final = 2**63


def verify(
    rows: Iterable[StoredRow],
    *,
    expected: Head | None = None,
    keep: int = 10,
    now: datetime | None = None,
) -> Verification:
    """Verifies rows in the order of their seq, all of them in memory."""
    every = list(rows)
    retained = reduce(retention_records.after_row, every, Retained())
    verifier = Verifier(expected, keep=keep, missing=Missing(retained), clock_rule=ClockRule())
    for row in every:
        verifier.add(row)
    return verifier.finish(now)


def verify_database(
    path: Place,
    *,
    progress: Progress | None = None,
    expected: Head | None = None,
    kept: Head | None = None,
    seen: Sequence[Head] = (),
    pinned: Sequence[VerifierKey] = (),
    last: StoredCheckpoint | None = None,
    checks: Sequence[Check] = (),
    warnings: Sequence[str] = (),
    keep: int = 10,
    clock: Callable[[], datetime] = utc_now,
    processes: int = 1,
) -> Verification:
    """Verifies a database without writing to it, also while writers run.

    ``kept`` and ``seen`` are more heads that the chain must pass through, ``pinned`` are keys one
    of which must have begun to sign it, ``last`` is the signer's own copy of its last checkpoint.
    ``checks`` look for what the chain tells and other tables of the database do not; ``warnings``
    are those of the caller.

    Damage is a finding, never an exception. Raises UnreadableDatabaseError if the file is
    missing, is no audit database or was written by a newer version.
    """

    def ask(connection: Connection) -> Verification:
        verifier = Verifier(
            *(expected, kept, *seen),
            keep=keep,
            missing=retention_records.Known().missing(connection),
            clock_rule=ClockRule(),
            checkpoints=CheckpointVerifier(
                lambda size: _checkpoints(connection, size, verifier),
                newest=checkpoint_table.newest_size(connection),
                last=last,
                pinned=pinned,
            ),
        )
        for warning in warnings:
            verifier.warn(warning)
        _verify_connection(connection, progress, verifier, checks, processes)
        return verifier.finish(clock())

    return tables.read(path, ask)


def verify_stretch(
    connection: Connection,
    start: Head,
    limit: int,
    *,
    expected: Head | None = None,
    known: retention_records.Known | None = None,
    tree: Tree | None = None,
) -> Verification:
    """Verifies at most ``limit`` records that follow a head. Raises one of DATABASE_ERRORS.

    What was ``known`` of retention is kept there for the next stretch; the ``tree`` up to the head
    grows by what was read.

    A head without a checksum leaves the first link unchecked. The verification's own head is
    where the next stretch starts.
    """
    tables.undecoded(connection)
    missing = (known or retention_records.Known()).missing(connection)
    verifier = Verifier(expected, start=start, tree=tree, missing=missing)
    for row in tables.rows_after(connection, start.size, limit):
        verifier.add(row)
    return verifier.finish()


def _checkpoints(
    connection: Connection, size: int, verifier: Verifier
) -> Sequence[StoredCheckpoint]:
    try:
        return checkpoint_table.after(connection, size, _CHECKPOINTS)
    except DATABASE_ERRORS as error:
        _report(verifier, connection, f"the checkpoints beyond {size} cannot be read", error)
        # Beyond all that there is, so that nobody asks for them again.
        return [StoredCheckpoint(_NEVER, b"")]


def _report(verifier: Verifier, connection: Connection, what: str, error: Exception) -> None:
    if is_lost(connection, error):
        raise UnreadableDatabaseError(f"the server was lost: {what}: {error}") from error
    verifier.report(f"{what}: {error}")


def _verify_connection(
    connection: Connection,
    progress: Progress | None,
    verifier: Verifier,
    checks: Sequence[Check],
    processes: int,
) -> None:
    tables.undecoded(connection)
    checked = total = 0
    try:
        for message in tables.chain_of(connection).problems():
            verifier.report(message)
        total = tables.count(connection) if progress else 0
        for row in prechecked(tables.rows(connection), processes):
            verifier.add(row)
            checked += 1
            if progress and checked % _ROWS_BETWEEN_PROGRESS == 0:
                progress(checked, max(total, checked))
        for seq in tables.orphaned_payloads(connection):
            verifier.report("a payload without a header: its header was removed", seq)
        for check in checks:
            for message in check(connection):
                verifier.report(message)
    except PermissionError:
        raise  # that it cannot be read by this user is nothing that is wrong with it
    except (OSError, *DATABASE_ERRORS) as error:
        what = f"the database cannot be read past {checked} records"
        _report(verifier, connection, what, error)
    if progress:
        progress(checked, max(total, checked))
