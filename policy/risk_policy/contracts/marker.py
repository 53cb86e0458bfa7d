"""Two files in the gate folder for whoever has nothing but a file system.

``KILL`` is an order: while it is there every reader keeps the gate closed, whatever the lease says,
and the receivers trip the kill switch over everything as soon as they see it. They take it away
once the trip is on record. Anything will do, an empty file too (``touch gate/KILL``): the mode is
the policy's then, unless it is JSON that names one, e.g. ``{"mode": "pause"}``. ``riskwarden kill``
leaves the JSON of a :class:`KillOrder` where the receivers do not answer.

``HALTED`` is a statement: it is there while the kill switch is tripped over everything, and holds a
line that says why. No reader needs it, nothing follows from making or removing it, and it does not
tell of a gate that is closed because nobody renews its lease.
"""

from __future__ import annotations

import contextlib
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic_core import from_json

from risk_policy.contracts.operator import LONGEST_REASON
from risk_policy.vocabulary import KillMode

#: The id of an order that cannot even be looked at.
UNREADABLE: Final = "unreadable"
ORDER_FILE: Final = "KILL"
HALTED_FILE: Final = "HALTED"
#: More is read of no order.
_LONGEST_BYTES: Final = 8192
_FILE_MODE: Final = 0o644
_NANOSECONDS: Final = 1_000_000_000
#: Of what tells no time.
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


class KillOrder(BaseModel):
    """The content of ``KILL``.

    Attributes:
        id: of the kill that follows from it.
        mode: None takes that of the policy.
        reason: why, as far as somebody said so.
        actor: who, as far as somebody said so.
        at: when, by the clock of who gave it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z-]+$")
    mode: KillMode | None = None
    reason: str = Field(default="", max_length=LONGEST_REASON)
    actor: str = Field(default="", max_length=200)
    at: AwareDatetime


def write_order(directory: Path, order: KillOrder) -> None:
    """Put the order in place, atomically and durably. Raises OSError."""
    staging = directory / f".{ORDER_FILE}.{os.getpid()}"
    with staging.open("wb") as stream:
        stream.write((order.model_dump_json() + "\n").encode())
        stream.flush()
        # Whoever may look into the folder: unread it would count as one in the policy's mode.
        os.fchmod(stream.fileno(), _FILE_MODE)
        os.fsync(stream.fileno())
    staging.replace(directory / ORDER_FILE)
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_order(directory: Path) -> KillOrder | None:
    """The order that stands there. What is there and cannot be read is one, too."""
    path = directory / ORDER_FILE
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:  # then the lease beside it cannot be read either
        return KillOrder(id=UNREADABLE, reason=f"{ORDER_FILE}: {error}", at=_EPOCH)
    data = b""
    with contextlib.suppress(OSError):
        data = _content(path)
    by_itself = {
        "id": f"file-{status.st_ino}-{status.st_mtime_ns}",
        "at": _instant(status.st_mtime_ns),
    }
    with contextlib.suppress(ValueError, TypeError):
        # By hand somebody may write no more than the mode.
        return KillOrder.model_validate(by_itself | from_json(data))
    words = data.decode("utf-8", "replace").split()
    return KillOrder.model_validate(by_itself | {"reason": " ".join(words)[:LONGEST_REASON]})


def is_ordered(directory: Path) -> bool:
    """Whether an order stands there: one look, for whoever asks often."""
    return os.path.lexists(directory / ORDER_FILE)


def withdraw_order(directory: Path, order: KillOrder) -> None:
    """Take away the order that was carried out, and no other. Raises OSError."""
    path = directory / ORDER_FILE
    if read_order(directory) != order:
        return
    with contextlib.suppress(FileNotFoundError):  # somebody else was quicker
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()


def _content(path: Path) -> bytes:
    # Whatever stands there: a pipe must not have its reader wait.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        return os.read(descriptor, _LONGEST_BYTES)
    finally:
        os.close(descriptor)


def _instant(nanoseconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(nanoseconds // _NANOSECONDS, UTC)
    except (OverflowError, ValueError, OSError):  # no file system keeps anybody from such a time
        return _EPOCH
