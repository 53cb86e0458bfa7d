"""A signer that is a process of its own, asked over its socket: one connection a question."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from risk_receivers.audit.merkle import HASH_BYTES
from risk_receivers.audit.note import NoteError, VerifierKey
from risk_receivers.signer import wire
from risk_receivers.signer.errors import UnreachableSignerError
from risk_receivers.signer.files import State

#: A signature takes milliseconds; a disk that is busy may take a second.
_SECONDS: Final = 10.0


class SocketSigner:
    """See Signer. Nothing is asked before it is needed."""

    def __init__(self, path: Path, seconds: float = _SECONDS) -> None:
        """Asks who it is. Raises SignerError."""
        self._path = path
        self._seconds = seconds
        self._standing = self._ask(wire.Hello())

    @property
    def key(self) -> VerifierKey:
        """See Signer."""
        return _key(self._standing.key)

    @property
    def next(self) -> VerifierKey | None:
        """See Signer."""
        return _key(self._standing.next) if self._standing.next else None

    def prepare(self) -> VerifierKey:
        """See Signer."""
        self._standing = self._ask(wire.Prepare())
        return _key(self._standing.next)

    def latest(self) -> State:
        """See Signer."""
        self._standing = found = self._ask(wire.Hello())
        state = State(found.size, _hashes(found.frontier), found.note)
        if state.note:
            try:
                state.check()
            except ValueError as error:
                raise UnreachableSignerError(f"{self._path}: {error}") from None
        return state

    def begin(
        self, size: int, frontier: Sequence[bytes], last: bytes, *, rotate: bool = False
    ) -> bytes:
        """See Signer."""
        return self._signed(wire.Begin(size, b"".join(frontier), last, rotate))

    def sign(
        self, old_size: int, leaves: Sequence[bytes], root: bytes, *, rotate: bool = False
    ) -> bytes:
        """See Signer."""
        return self._signed(wire.Sign(old_size, b"".join(leaves), root, rotate))

    def close(self) -> None:
        """See Signer."""

    def _signed(self, question: wire.Question) -> bytes:
        self._standing = self._ask(question)
        return self._standing.note

    def _ask(self, question: wire.Question) -> wire.Standing:
        deadline = time.monotonic() + self._seconds
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self._seconds)
                connection.connect(str(self._path))
                wire.send(connection, question)
                data = wire.receive(connection, deadline)
        except OSError as error:
            raise UnreachableSignerError(
                f"{self._path}: riskwarden-signer does not answer ({error}); see that it runs and "
                "that the receivers' user may write to its socket"
            ) from error
        told = wire.answer(data)
        if isinstance(told, wire.Refusal):
            raise wire.raised(told)
        return told


def _key(text: str) -> VerifierKey:
    try:
        return VerifierKey.parse(text)
    except NoteError as error:
        raise UnreachableSignerError(f"the signer's own key {error}") from None


def _hashes(data: bytes) -> tuple[bytes, ...]:
    return tuple(data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES))
