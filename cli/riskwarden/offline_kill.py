"""Trip the kill switch of a data folder whose receivers do not answer.

In the order in which it protects: the order beside the gate, which closes every reader within its
next look; HALT and the reasons in the gate's own files, if nobody publishes there any more; the
record, kept in the spool, which the receivers merge once when they start. A service that only
hangs carries out the order as soon as it can.

Each of them is tried whatever became of the others: a full disk takes no order, and HALT all the
same. What root makes here belongs to whom the folder belongs: his service has to start on it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import msgspec

from risk_policy.clock import utc_now
from risk_policy.contracts import gate as contract
from risk_policy.contracts import marker
from risk_policy.contracts.marker import KillOrder
from risk_policy.contracts.restriction import Kill, in_order, tightest_kill
from risk_policy.contracts.scope import EVERYTHING
from risk_policy.vocabulary import KillMode
from risk_receivers.gate.detail import DetailFile
from risk_receivers.gate.lease_file import LeaseFile
from risk_receivers.kill.order_watch import trip_of
from riskwarden.stack.layout import Layout

_LEVEL = "operator"


@dataclass(frozen=True, slots=True)
class Tripped:
    """What was done.

    Attributes:
        kill_id: under which it goes on record.
        mode: the one in force: never looser than what was there.
        ordered: whether the order stands beside the gate.
        halted: whether HALT stands in the gate's own files.
        reasoned: whether the mode stands in one of both: without, no position is closed.
        not_halted: why HALT does not; empty if a service holds those files.
        not_kept: why the record could not be kept for the receivers; empty if it is.
    """

    kill_id: str
    mode: KillMode
    ordered: bool
    halted: bool
    reasoned: bool
    not_halted: str = ""
    not_kept: str = ""


def trip(layout: Layout, mode: KillMode, reason: str, actor: str) -> Tripped:
    """Trip it. Raises OSError if neither the order nor HALT can be put in place."""
    order = KillOrder(id=str(uuid4()), mode=mode, reason=reason, actor=actor, at=utc_now())
    wanted = Kill(id=order.id, mode=mode, cause=reason, level=_LEVEL, since=order.at)
    not_ordered: OSError | None = None
    try:
        _put(layout.gate, order, mode)
    except OSError as error:
        not_ordered = error
    kill, halted, said, not_halted = wanted, False, False, ""
    try:
        with _unpublished(layout.gate) as halted:
            if halted:
                kill, said = _halt(layout.gate, wanted)
    except OSError as error:
        halted, not_halted = False, str(error)
    if not_ordered is not None and not halted:
        raise not_ordered
    return Tripped(
        kill.id,
        kill.mode,
        ordered=not_ordered is None,
        halted=halted,
        reasoned=said or not_ordered is None,
        not_halted=not_halted,
        not_kept=_kept(layout, order, mode),
    )


def _put(folder: Path, order: KillOrder, mode: KillMode) -> None:
    """Put the order in place, unless one stands there that is tighter."""
    standing = marker.read_order(folder)
    if standing is None or standing.mode is None or standing.mode.rank <= mode.rank:
        marker.write_order(folder, order)


@contextmanager
def _unpublished(folder: Path) -> Iterator[bool]:
    """Whether nobody publishes there; nobody begins to meanwhile."""
    lock = folder / contract.LOCK_FILE
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _hand_over(lock)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _halt(folder: Path, wanted: Kill) -> tuple[Kill, bool]:
    """Write HALT, and why, beside what stands there.

    Returns:
        The kill that is in force then, and whether the reasons could be written.
    """
    before = contract.read_detail(folder)
    known = () if before is None else before.known
    standing = tightest_kill(known, EVERYTHING)
    kill = standing or wanted
    if kill.mode.rank < wanted.mode.rank:
        kill = kill.model_copy(update={"mode": wanted.mode})  # tightened, not another one
    others = tuple(one for one in known if one.id != kill.id)
    lease = LeaseFile(
        folder,
        longest_ns=_longest(folder),
        version=before.version if before else 0,
        halted=True,
    )
    try:
        detail = contract.GateDetail(
            version=lease.version + 1,
            halted=True,
            restrictions=in_order((kill, *others)),
            policy_digest=before.policy_digest if before else "",
            written_at=utc_now(),
        )
        file = DetailFile(folder)
        try:
            file.show(detail)
        except OSError:
            return kill, False
        with contextlib.suppress(OSError):  # the disk's trouble; every reader has it already
            file.keep()
        for path in file.files:
            _hand_over(path)
        lease.words[contract.RESTRICTIONS_WORD] = len(detail.restrictions)
        lease.words[contract.VERSION_WORD] = detail.version
    finally:
        lease.close()
    return kill, True


def _hand_over(path: Path) -> None:
    """Give what root made in somebody's folder to whom the folder belongs."""
    if os.geteuid() != 0:
        return
    with contextlib.suppress(OSError):  # then they cannot use it, which they will say
        mine, owner = path.lstat(), path.parent.stat()
        is_one_file = stat.S_ISREG(mine.st_mode) and mine.st_nlink == 1  # not another's by a link
        if is_one_file or stat.S_ISDIR(mine.st_mode):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _longest(folder: Path) -> int:
    """The longest lease the file promises; nobody grants one while it says HALT."""
    data = (folder / contract.LEASE_FILE).read_bytes()[: contract.SIZE].ljust(contract.SIZE, b"\0")
    longest = int.from_bytes(data[8 * contract.LONGEST_WORD :][:8], "little")
    return min(longest, contract.LONGEST_SECONDS * 1_000_000_000)


def _kept(layout: Layout, order: KillOrder, mode: KillMode) -> str:
    """Keep the record for the receivers; why that failed. The order itself is one, too."""
    trip = trip_of(order, mode, order.at)
    target = layout.root / "spool" / f"{trip.id}.jsonl"
    try:
        target.parent.mkdir(exist_ok=True)
        _hand_over(target.parent)
        staging = target.with_suffix(".tmp")
        with staging.open("wb") as stream:
            stream.write(msgspec.json.encode(trip) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        _hand_over(staging)
        staging.replace(target)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        return str(error)
    return ""
