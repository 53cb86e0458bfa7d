"""The trade gate as a runtime embeds it: may this order be sent, now?

Safety rules, all of them in the direction of refusing:

* Only a valid lease that has not run out opens the gate (``risk_policy.contracts.gate`` has
  the bytes). A missing, foreign or damaged file, a lease that ended or lies further ahead than
  is ever granted, HALT, any error on the way: closed.
* A lease counts once its reasons were read: before the first one, and again whenever the version
  moves. Reasons that are missing, unreadable, older than the lease, or against it: closed.
* A closed gate refuses what adds risk and allows what only reduces it. Nobody is trapped.
* An open one is asked further: every restriction in force is kept for the orders it may cover.
* The last word is read at every check, so HALT takes effect at the next order.

Whoever writes puts the reasons in place before the version moves and the version before a lease
is granted, so an honest change is never seen half done.

The common case reads three integers from shared memory and the clock, no more. A file that was
replaced or removed is noticed within ``recheck_seconds``, and at once when its lease runs out.
Whoever writes the file must never truncate it in place: a mapping that lost its page faults.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from risk_policy.contracts import gate as contract
from risk_policy.contracts import marker
from risk_policy.contracts.gate import GateDetail
from risk_policy.contracts.restriction import Kill, Restriction, in_order, kills_of
from risk_policy.contracts.scope import Subject
from risk_policy.vocabulary import KillMode
from risk_runtime.gate_reading import OPEN, Decision, GateReading, GateState, decide, size_ratio
from risk_runtime.order import Order

_UNMAPPED: Final = memoryview(bytes(contract.SIZE)).cast("Q")
#: Another process writes the mapped file, and memory wakes nobody: it can only be looked at.
_POLL_SECONDS: Final = 0.001
_NS: Final = 1_000_000_000
#: ``contract.now_ns`` without a Python frame of its own: this runs before every order.
_boottime_ns: Final = partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME)

#: What an open gate was found to say, replaced as a whole: another thread may be checking. The
#: words whose reasons were read, their version and longest lease; until when the files need not be
#: looked at again; the answer to every order, None while there are restrictions; the reading. A
#: plain tuple: one with names takes a quarter of a check longer to unpack.
_Known: TypeAlias = "tuple[memoryview[int], int, int, int, Decision | None, GateReading]"
#: No file has these words, and no lease is open at them.
_NOTHING: Final[_Known] = (_UNMAPPED, 0, 0, 0, None, GateReading(GateState.MISSING))


class TradeGate:
    """Reads the gate that a receivers service publishes into a directory.

    Never raises because of what is, or is not, in that directory. Safe to share by threads.
    """

    def __init__(
        self,
        directory: Path,
        *,
        recheck_seconds: float = 0.1,
        clock: Callable[[], int] = _boottime_ns,
        boot: bytes | None = None,
    ) -> None:
        self._directory = directory
        self._path = directory / contract.LEASE_FILE
        self._clock = clock
        self._boot = _own_boot_id() if boot is None else boot
        self._recheck_ns = int(recheck_seconds * _NS)
        # Each is replaced as a whole, without a lock: a process that forks would take one along
        # that nobody ever releases.
        self._mapped: tuple[memoryview[int], tuple[int, int] | None] = _UNMAPPED, None
        self._known: _Known = _NOTHING
        self._detail: GateDetail | None = None
        self._noticed = self._signature()

    def check(self, order: Order) -> Decision:
        """Whether an order may be sent now. Ask before every order."""
        words, version, longest_ns, recheck_at_ns, answer, reading = self._known
        now = self._clock()
        if now < words[0] <= now + longest_ns and words[1] == version and now < recheck_at_ns:
            return answer or decide(order, reading)
        return decide(order, self.read())

    def directive(self, subject: Subject) -> Kill | None:
        """The tightest kill that certainly covers the whole subject, e.g. one account.

        None while there is none, whether the gate is open or closed for other reasons. A kill of
        less than that, of one symbol say, is among ``read().kills``.
        """
        return self.read().kill_over(subject)

    def size_ratio(self, subject: Subject) -> float:
        """The share of its full size that a new order may have now: 1 unrestricted, 0 for none."""
        reading = self.read()
        if reading.state is not GateState.OPEN:
            return 0.0
        return size_ratio(reading.restrictions, subject)

    def wait_change(self, timeout: float) -> bool:
        """Wait until the gate says something else than when it was last waited for.

        Returns:
            Whether it did: opened, closed, changed its version or learnt its reason.
        """
        deadline = time.monotonic() + timeout
        while (signature := self._signature()) == self._noticed:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            time.sleep(min(_POLL_SECONDS, remaining))
        self._noticed = signature
        return True

    def read(self) -> GateReading:
        """What the gate says now, checked from the files up."""
        if marker.is_ordered(self._directory) and (order := marker.read_order(self._directory)):
            return self._ordered(order)
        words = self._map()
        if not isinstance(words, memoryview):
            state, complaint = words
            return self._closed(state, 0, f"{contract.LEASE_FILE} {complaint}")
        lease, version, longest = words[0], words[1], words[contract.LONGEST_WORD]
        # The clock last: a lease renewed after `now` would seem to lie too far ahead of it.
        now = self._clock()
        if contract.lease_is_open(lease, longest, now):
            known_words, known_version, _, _, answer, reading = self._known
            if version != known_version or words is not known_words:
                self._detail = detail = contract.read_detail(self._directory)
                if complaint := self._contradiction(detail, version):
                    return self._closed(GateState.UNTRUSTED, version, complaint)
                held = () if detail is None else detail.known
                reading = GateReading(GateState.OPEN, version, restrictions=held)
                answer = None if held else _allowing(version)
            self._known = words, version, longest, now + self._recheck_ns, answer, reading
            return reading
        if lease == contract.HALT:
            return self._closed(GateState.HALTED, version, "new risk is halted")
        if lease <= now:
            ago = (now - lease) / _NS
            reason = f"the risk layer gave no sign of life; its lease ended {ago:.1f} s ago"
            return self._closed(GateState.STALE, version, reason)
        ahead, most = (lease - now) / _NS, longest / _NS
        reason = f"the lease lies {ahead:.1f} s ahead, more than the {most:.1f} s ever granted"
        return self._closed(GateState.IMPLAUSIBLE, version, reason)

    def _ordered(self, order: marker.KillOrder) -> GateReading:
        """Closed by an order that stands beside the lease; the receivers may not know of it yet."""
        self._known = _NOTHING
        kill = Kill(
            id=order.id,
            # Without a mode nobody knows here what the policy's is: nothing is closed on a guess.
            mode=order.mode or KillMode.PAUSE,
            cause=order.reason or f"the file {marker.ORDER_FILE} beside the gate",
            level=order.actor or "operator",
            since=order.at,
        )
        detail = contract.read_detail(self._directory)
        known = () if detail is None else detail.known
        # The receivers may have tripped for it, in a mode that it does not say.
        tighter = (
            one for one in kills_of(known) if one.id == kill.id and one.mode.rank > kill.mode.rank
        )
        kill = next(tighter, kill)
        others = tuple(one for one in known if one.id != kill.id)
        restrictions = in_order((kill, *others))
        return GateReading(GateState.HALTED, reason=str(kill), restrictions=restrictions)

    def _map(self) -> memoryview[int] | tuple[GateState, str]:
        """The words of the file that stands there now, or what is wrong with it."""
        try:
            status = self._path.stat()
            if status.st_size != contract.SIZE:
                return GateState.UNTRUSTED, (
                    f"is {status.st_size} bytes long instead of {contract.SIZE}"
                )
            # A mapping keeps its inode in use, so the same number is the same file.
            words, identity = self._mapped
            if (status.st_dev, status.st_ino) != identity:
                words = self._map_file()
            complaint = contract.fault(words.tobytes(), self._boot)
        except FileNotFoundError:
            return GateState.MISSING, "is missing; no risk layer publishes into this folder"
        except (OSError, ValueError) as error:
            return GateState.UNTRUSTED, f"cannot be mapped: {error}"
        return words if complaint is None else (GateState.UNTRUSTED, complaint)

    def _map_file(self) -> memoryview[int]:
        # What is no file has no size, or none to map; to open a pipe must not mean to wait.
        descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if status.st_size != contract.SIZE:
                raise ValueError(f"size changed to {status.st_size} bytes")
            mapping = mmap.mmap(descriptor, contract.SIZE, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
        words = memoryview(mapping).cast("Q")
        self._mapped = words, (status.st_dev, status.st_ino)
        return words

    def _closed(self, state: GateState, version: int, reason: str) -> GateReading:
        # The next check looks at the files, and an open gate has to give its reasons anew.
        self._known = _NOTHING
        restrictions = self._restrictions(state, version)
        told = next((str(one) for one in restrictions if one.scope.is_everything), "")
        if told:
            reason = told if state is GateState.HALTED else f"{told}; {reason}"
        return GateReading(state, version, reason, restrictions)

    def _restrictions(self, state: GateState, version: int) -> tuple[Restriction, ...]:
        """What is in force although the gate is closed as a whole, as far as it is known."""
        known = self._current_detail(version, halted=state is GateState.HALTED)
        if known is None:
            return ()
        # A lease was granted since: whatever tripped may have been cleared. Nothing is closed on a
        # guess.
        is_over = state is GateState.UNTRUSTED and known.version < version
        return () if is_over else known.known

    def _contradiction(self, known: GateDetail | None, version: int) -> str:
        """Why a running lease is not enough: its reasons cannot be read, or say otherwise."""
        name = contract.DETAIL_FILE
        if known is None:
            return f"{name} {contract.detail_fault(self._directory)}"
        if known.version < version:
            return f"{name} is of version {known.version}, the lease of version {version}"
        if known.unknown is not None:
            return f"{name} holds a restriction unknown here: {known.unknown.kind}"
        if known.stops_everything:
            return f"{name} says that new risk is halted, although the lease runs"
        return ""

    def _current_detail(self, version: int, *, halted: bool) -> GateDetail | None:
        """``gate.json``, read again unless what is known is known to be current."""
        known = self._detail
        if known is None or known.version != version or (halted and not known.halted):
            known = contract.read_detail(self._directory)
            self._detail = known
        return known

    def _signature(self) -> tuple[GateState, int, tuple[Restriction, ...]]:
        reading = self.read()
        return reading.state, reading.version, reading.restrictions


def _allowing(version: int) -> Decision:
    return Decision(allowed=True, reason=OPEN, state=GateState.OPEN, gate_version=version)


def _own_boot_id() -> bytes:
    """This machine's boot id; without one no lease can be trusted, so the gate stays closed."""
    try:
        return contract.boot_id()
    except (OSError, ValueError):
        return b""
