"""The signer itself: what it has signed is on the disk before the signature leaves it.

Invariants: two notes of one signer are always of one history, since each root is derived from the
tree of the one before; and whatever happens in between, the last note can be had again, so that
none of them is lost between signer and store.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from risk_receivers.audit.chain import TreeHead
from risk_receivers.audit.checkpoint import Checkpoint
from risk_receivers.audit.merkle import Tree
from risk_receivers.audit.note import NoteError, SigningKey, VerifierKey, sign
from risk_receivers.signer.errors import InconsistentHeadError, NotThereError
from risk_receivers.signer.files import KeyFile, State, read_state, state_path, write_state


class Signer(Protocol):
    """Where checkpoints come from. Every call may raise SignerError."""

    @property
    def key(self) -> VerifierKey:
        """What its signatures are checked with."""

    @property
    def next(self) -> VerifierKey | None:
        """The key that is to take over."""

    def prepare(self) -> VerifierKey:
        """Make the key that is to take over, unless it was made."""

    def latest(self) -> State:
        """What it has signed last; an empty state if nothing."""

    def begin(
        self, size: int, frontier: Sequence[bytes], last: bytes, *, rotate: bool = False
    ) -> bytes:
        """The first checkpoint of a signer that has signed nothing yet.

        ``last`` is the newest checkpoint there is, empty if none, and is named as the one before.
        A signer without history can contradict nothing, so it needs no leaves.
        """

    def sign(
        self, old_size: int, leaves: Sequence[bytes], root: bytes, *, rotate: bool = False
    ) -> bytes:
        """The checkpoint of a tree that goes on from ``old_size``, which it has signed last.

        ``root`` is what the leaves should lead to. With ``rotate`` both keys sign, and from then
        on the next one is the key.
        """

    def close(self) -> None:
        """Let go of what it holds."""


class KeptSigner:
    """Signs with a key from a file and keeps its state beside it. Thread-safe."""

    def __init__(self, key_path: Path, name: str) -> None:
        """Makes a key of that name if there is none. Raises SignerFilesError."""
        self._lock = threading.Lock()
        self._file = KeyFile(key_path, name)
        self._state_path = state_path(key_path)
        try:
            self._state = read_state(self._state_path)
            self._finish_rotation()
        except BaseException:
            self._file.close()
            raise

    @property
    def key(self) -> VerifierKey:
        """The public key."""
        return self._signing.verifier

    @property
    def _signing(self) -> SigningKey:
        return self._file.key

    @property
    def next(self) -> VerifierKey | None:
        """See Signer."""
        return None if self._file.next is None else self._file.next.verifier

    def prepare(self) -> VerifierKey:
        """See Signer."""
        with self._lock:
            return self._file.prepare().verifier

    def latest(self) -> State:
        """See Signer."""
        return self._state

    def begin(
        self, size: int, frontier: Sequence[bytes], last: bytes, *, rotate: bool = False
    ) -> bytes:
        """See Signer."""
        with self._lock:
            if self._state.note:
                raise NotThereError(self._state.size)
            try:
                tree = Tree(size, frontier)
            except ValueError as error:
                raise InconsistentHeadError(str(error)) from None
            return self._keep(tree, _size_of(last), rotate=rotate)

    def sign(
        self, old_size: int, leaves: Sequence[bytes], root: bytes, *, rotate: bool = False
    ) -> bytes:
        """See Signer."""
        with self._lock:
            if not self._state.note or old_size != self._state.size:
                raise NotThereError(self._state.size)
            if not leaves:
                raise InconsistentHeadError(f"nothing follows on {old_size}; nothing to sign")
            tree = self._state.tree
            tree.extend(leaves)
            if tree.root != root:
                raise InconsistentHeadError(
                    f"refused: a chain of {tree.size} with root {root.hex()} does not go on from "
                    f"the {old_size} records that were signed; it was rewritten or forked"
                )
            return self._keep(tree, old_size, rotate=rotate)

    def close(self) -> None:
        """See Signer."""
        self._file.close()

    def _keep(self, tree: Tree, previous: int, *, rotate: bool) -> bytes:
        keys = [self._signing]
        if rotate and self._file.next is not None:
            keys.append(self._file.next)
        made = Checkpoint(self._signing.name, TreeHead(tree.size, tree.root), previous)
        state = State(tree.size, tree.frontier, sign(made.text, *keys).encode())
        try:
            state.check()
        except ValueError as error:  # what cannot be read again would keep it from starting
            raise InconsistentHeadError(f"refused: {error}") from None
        write_state(self._state_path, state)  # before anybody can have seen the signature
        self._state = state
        self._finish_rotation()
        return state.note

    def _finish_rotation(self) -> None:
        """A key that has signed what was signed last has taken over, whatever came in between."""
        if self.next is None or not self._state.note:
            return
        if Checkpoint.of(self._state.note)[1].signed_by([self.next]):
            self._file.take_over()


def _size_of(last: bytes) -> int:
    with suppress(NoteError):
        return Checkpoint.of(last)[0].head.size
    return 0
