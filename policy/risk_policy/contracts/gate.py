"""The trade gate's two files: a lease in shared memory, and the reasons beside it as JSON.

``gate.lease`` is a file of exactly 64 bytes, little-endian, meant to be memory-mapped:

===========  =====  =========================================================================
offset       type   meaning
===========  =====  =========================================================================
0            u64    lease: orders that add risk are allowed until this CLOCK_BOOTTIME
                    nanosecond; 0 means HALT
8            u64    version: grows with every change of what the gate says, never otherwise
16           8 B    magic ``RWGATE01``
24           u64    longest lease the writer ever grants, nanoseconds
32           16 B   boot id of the machine that wrote the file (a UUID, big-endian bytes)
48           u64    how many restrictions are in force; 0 means that the lease alone decides
56           8 B    reserved, zero
===========  =====  =========================================================================

The rules a reader keeps, in this order:

* a missing file, a wrong size, a wrong magic or another boot's id: closed;
* ``now < lease <= now + longest``: open, else closed. A lease further ahead than the writer
  ever grants is not proof of anything, so a clock that jumps back cannot open the gate. What a
  writer may grant is bounded here as well: no damaged word holds the gate open for a day.
* before a lease counts, and again whenever the version word moves, ``gate.json`` is read. Missing,
  unreadable, of a later schema, older than the version word, halted, with a kill switch over
  everything or with a restriction of a kind the reader does not know: closed, since it cannot be
  kept. One that is newer than the word has just been put in place. Each of its restrictions is kept
  for the orders that lie within its scope (:mod:`risk_policy.contracts.restriction`).
* while ``KILL`` stands beside it: closed (:mod:`risk_policy.contracts.marker`).
* who cannot read JSON takes any number of restrictions but 0 for closed.

The first word is written with one aligned 8-byte store, so it is never seen torn. CLOCK_BOOTTIME
is shared by all processes of a machine, goes on while it sleeps, and cannot be set. A writer
never shortens the file in place: a reader that has it mapped would die of SIGBUS. It replaces
it by rename, or writes the words of the mapping.

``gate.json`` says why, and what the runtime is asked to do. It is replaced atomically (write,
rename) *before* the version moves, which moves before a lease is granted; when the gate closes,
*after* HALT is stored. Neither waits for a disk: a lease does, until the disk has it, too. So no
reader sees a lease without its reasons but for one that somebody took away or changed, which the
writer puts back.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import time
import uuid
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from risk_policy.contracts.restriction import Kill, Restriction, UnknownRestriction, kills_of

LEASE_FILE: Final = "gate.lease"
DETAIL_FILE: Final = "gate.json"
#: Locked by whoever publishes; the lock ends with its process.
LOCK_FILE: Final = ".publisher.lock"

MAGIC: Final = b"RWGATE01"
SIZE: Final = 64
HALT: Final = 0
#: Index of each word once the mapping is cast to native unsigned 64-bit integers.
LEASE_WORD: Final = 0
VERSION_WORD: Final = 1
LONGEST_WORD: Final = 3
RESTRICTIONS_WORD: Final = 6

#: More is read of no ``gate.json``; one says what is in force, in some hundred bytes each.
LONGEST_DETAIL_BYTES: Final = 2**20
#: No lease is longer, whatever a file says; the policy allows no longer one either.
LONGEST_SECONDS: Final = 60

_HEADER: Final = struct.Struct("<QQ8sQ16sQ8x")
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def now_ns() -> int:
    """The gate's clock: CLOCK_BOOTTIME in nanoseconds."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def boot_id() -> bytes:
    """The running kernel's boot id, 16 bytes."""
    return uuid.UUID(_BOOT_ID.read_text(encoding="ascii").strip()).bytes


def encode(
    *, lease_ns: int, version: int, longest_ns: int, boot: bytes, restrictions: int = 0
) -> bytes:
    """The 64 bytes of a lease file."""
    return _HEADER.pack(lease_ns, version, MAGIC, longest_ns, boot, restrictions)


def fault(data: bytes, boot: bytes) -> str | None:
    """Why these bytes cannot be trusted as a lease file on this boot, or None if they can."""
    if len(data) != SIZE:
        return f"is {len(data)} bytes long instead of {SIZE}"
    _, _, magic, longest_ns, written_boot, _ = _HEADER.unpack(data)
    if magic != MAGIC:
        return f"has magic {magic!r} instead of {MAGIC!r}"
    if written_boot != boot:
        return "was written before the machine last started"
    if longest_ns > LONGEST_SECONDS * 1_000_000_000:
        return f"claims leases of more than {LONGEST_SECONDS} s, which nobody may grant"
    return None


def lease_is_open(lease_ns: int, longest_ns: int, at_ns: int) -> bool:
    """Whether a lease allows new risk at an instant of CLOCK_BOOTTIME."""
    return at_ns < lease_ns <= at_ns + longest_ns


class GateDetail(BaseModel):
    """The content of ``gate.json``.

    Attributes:
        version: equals the lease file's version word once both are in place.
        halted: whether new risk is refused whatever the lease says.
        restrictions: what is in force, worst first.
        policy_digest: the policy the writer runs on.
        written_at: wall clock, UTC.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: Literal[2] = 2
    version: Annotated[int, Field(ge=0)]
    halted: bool
    restrictions: tuple[Kill | Restriction | UnknownRestriction, ...] = ()
    policy_digest: str
    written_at: AwareDatetime

    @property
    def known(self) -> tuple[Restriction, ...]:
        """The restrictions that this reader understands."""
        return tuple(one for one in self.restrictions if isinstance(one, Restriction))

    @property
    def unknown(self) -> UnknownRestriction | None:
        """A restriction that this reader does not know."""
        return next((o for o in self.restrictions if isinstance(o, UnknownRestriction)), None)

    @property
    def kills(self) -> tuple[Kill, ...]:
        """The kill switches that are tripped."""
        return kills_of(self.known)

    @property
    def stops_everything(self) -> bool:
        """Whether no lease may run beside it."""
        return self.halted or any(kill.scope.is_everything for kill in self.kills)


def encode_detail(detail: GateDetail) -> bytes:
    """The bytes of ``gate.json``."""
    return (detail.model_dump_json(indent=2) + "\n").encode()


def write_detail(directory: Path, detail: GateDetail, mode: int | None = None) -> None:
    """Replace ``gate.json`` atomically, for every reader at once; no disk is waited for.

    ``mode`` says who may read it, from when it stands there on. Raises OSError.
    """
    staging = directory / f".{DETAIL_FILE}.{os.getpid()}"
    staging.write_bytes(encode_detail(detail))
    if mode is not None:
        staging.chmod(mode)
    staging.replace(directory / DETAIL_FILE)


def read_detail(directory: Path) -> GateDetail | None:
    """The current ``gate.json``, or None if it is missing or unreadable. Never waits."""
    try:
        return GateDetail.model_validate_json(detail_bytes(directory))
    except (OSError, ValueError):
        return None


def detail_bytes(directory: Path) -> bytes:
    """What stands in ``gate.json``.

    Raises OSError, also for what is no file: a pipe in its place would have its reader wait for
    somebody who writes into it, and a device might never end.
    """
    # Without O_NONBLOCK, opening a pipe waits already. A regular file does not know it.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
    descriptor = os.open(directory / DETAIL_FILE, flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        with open(descriptor, "rb", closefd=False) as stream:
            return stream.read(LONGEST_DETAIL_BYTES + 1)
    finally:
        os.close(descriptor)


def detail_fault(directory: Path) -> str:
    """Why :func:`read_detail` finds nothing."""
    try:
        detail_bytes(directory)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return "is damaged or of a later version of the risk layer"
