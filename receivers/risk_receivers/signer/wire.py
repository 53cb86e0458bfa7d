"""What the receivers and riskwarden-signer say to each other: one question, one answer.

Each is a frame of JSON, preceded by its length in four bytes. Hashes and notes are base64. Pure
but for the reading and writing of a frame, which has a deadline: neither side can hold the other.
"""

from __future__ import annotations

import socket
import struct
import time
from typing import Final

import msgspec

from risk_receivers.signer.errors import (
    InconsistentHeadError,
    NotThereError,
    SignerError,
    SignerFilesError,
    UnreachableSignerError,
)

#: More than the leaves of one request take.
_MOST_BYTES: Final = 4 * 2**20
_LENGTH: Final = struct.Struct(">I")


class Hello(msgspec.Struct, tag="hello", forbid_unknown_fields=True):
    """Who are you, and what did you sign last?"""


class Prepare(msgspec.Struct, tag="prepare", forbid_unknown_fields=True):
    """Make the next key."""


class Begin(msgspec.Struct, tag="begin", forbid_unknown_fields=True):
    """See Signer.begin."""

    size: int
    frontier: bytes
    last: bytes
    rotate: bool = False


class Sign(msgspec.Struct, tag="sign", forbid_unknown_fields=True):
    """See Signer.sign."""

    old_size: int
    leaves: bytes
    root: bytes
    rotate: bool = False


class Standing(msgspec.Struct, tag="standing", forbid_unknown_fields=True):
    """The answer to all of them: the signer's keys, and what it has signed last."""

    key: str
    next: str
    size: int
    frontier: bytes
    note: bytes


class Refusal(msgspec.Struct, tag="refusal", forbid_unknown_fields=True):
    """No. ``size`` is what was signed last if that is why."""

    kind: str
    message: str
    size: int = 0


Question = Hello | Prepare | Begin | Sign
Answer = Standing | Refusal
_QUESTIONS: Final = msgspec.json.Decoder(Question)
_ANSWERS: Final = msgspec.json.Decoder(Answer)
_KINDS: Final = {
    "inconsistent": InconsistentHeadError,
    "files": SignerFilesError,
}


def refusal(error: SignerError) -> Refusal:
    """An error as it is told."""
    if isinstance(error, NotThereError):
        return Refusal("not_there", str(error), error.size)
    if isinstance(error, InconsistentHeadError):
        return Refusal("inconsistent", str(error))
    return Refusal("files" if isinstance(error, SignerFilesError) else "other", str(error))


def raised(told: Refusal) -> SignerError:
    """The error that was told."""
    if told.kind == "not_there":
        return NotThereError(told.size)
    return _KINDS.get(told.kind, SignerError)(told.message)


def question(data: bytes) -> Question:
    """What is asked. Raises msgspec.ValidationError or msgspec.DecodeError."""
    asked: Question = _QUESTIONS.decode(data)
    return asked


def answer(data: bytes) -> Answer:
    """What is answered. Raises UnreachableSignerError for nonsense."""
    try:
        told: Answer = _ANSWERS.decode(data)
    except msgspec.DecodeError as error:
        raise UnreachableSignerError(
            f"what listens there is no riskwarden-signer: {error}"
        ) from None
    return told


def send(connection: socket.socket, what: Question | Answer) -> None:
    """Sends a frame. Raises OSError."""
    data = msgspec.json.encode(what)
    connection.sendall(_LENGTH.pack(len(data)) + data)


def receive(connection: socket.socket, deadline: float) -> bytes:
    """A frame that has arrived by a monotonic time. Raises OSError."""
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size, deadline))
    if length > _MOST_BYTES:
        raise OSError(f"a frame of {length} bytes is too large")
    return _exactly(connection, length, deadline)


def _exactly(connection: socket.socket, size: int, deadline: float) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        connection.settimeout(left)
        part = connection.recv(min(size - len(parts), 65_536))
        if not part:
            raise ConnectionResetError("hung up in the middle of a frame")
        parts += part
    return bytes(parts)
