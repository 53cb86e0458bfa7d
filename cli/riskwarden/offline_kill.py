"""Trip the kill switch of a data folder whose receivers do not answer.

In the order in which it protects: the order beside the gate, which closes every reader within its
next look; HALT and the reasons in the gate's own files, if nobody publishes there any more; the
record, kept in the spool, which the receivers merge once when they start. A service that only
hangs carries out the order as soon as it can.
"""

from __future__ import annotations

import fcntl
import os
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
from risk_receivers.gate.lease_file import FILE_MODE, LeaseFile
from risk_receivers.kill.order_watch import trip_of
from riskwarden.stack.layout import Layout

_LEVEL = "operator"


@dataclass(frozen=True, slots=True)
class Tripped:
    """What was done.

    Attributes:
        kill_id: under which it goes on record.
        mode: the one in force: never looser than what was there.
        halted: whether the gate's own files say so, too; else a service holds them.
        not_kept: why the record could not be kept for the receivers; empty if it is.
    """

    kill_id: str
    mode: KillMode
    halted: bool
    not_kept: str = ""


def trip(layout: Layout, mode: KillMode, reason: str, actor: str) -> Tripped:
    """Trip it. Raises OSError if not even the order can be put in place."""
    order = KillOrder(id=str(uuid4()), mode=mode, reason=reason, actor=actor, at=utc_now())
    standing = marker.read_order(layout.gate)
    if standing is None or standing.mode is None or standing.mode.rank <= mode.rank:
        marker.write_order(layout.gate, order)
    kill = Kill(id=order.id, mode=mode, cause=reason, level=_LEVEL, since=order.at)
    with _unpublished(layout.gate) as is_ours:
        if is_ours:
            kill = _halt(layout.gate, kill)
    return Tripped(kill.id, kill.mode, is_ours, _kept(layout, order, mode))


@contextmanager
def _unpublished(folder: Path) -> Iterator[bool]:
    """Whether nobody publishes there; nobody begins to meanwhile."""
    descriptor = os.open(folder / contract.LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


def _halt(folder: Path, wanted: Kill) -> Kill:
    """Write HALT and why, beside what stands there; the kill that is in force then."""
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
        contract.write_detail(folder, detail)
        (folder / contract.DETAIL_FILE).chmod(FILE_MODE)
        lease.words[contract.RESTRICTIONS_WORD] = len(detail.restrictions)
        lease.words[contract.VERSION_WORD] = detail.version
    finally:
        lease.close()
    return kill


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
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = target.with_suffix(".tmp")
        with staging.open("wb") as stream:
            stream.write(msgspec.json.encode(trip) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        staging.replace(target)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        return str(error)
    return ""
