"""The files of a signer: its key, and what it has signed last.

Both are written whole or not at all, for their owner alone, and are on the disk before anybody
relies on them. A key that others may read is not used.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from risk_receivers.audit.checkpoint import Checkpoint
from risk_receivers.audit.merkle import Tree
from risk_receivers.audit.note import NoteError, SigningKey, VerifierKey
from risk_receivers.signer.errors import SignerFilesError

_OWNER_ONLY: Final = 0o600
_PUBLIC: Final = 0o644
_OTHERS: Final = 0o077
_MOST_BYTES: Final = 4096
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class State:
    """What a signer has signed last: the tree's frontier there, and the note itself."""

    size: int = 0
    frontier: tuple[bytes, ...] = ()
    note: bytes = b""

    @property
    def tree(self) -> Tree:
        """The tree it has signed."""
        return Tree(self.size, self.frontier)

    @classmethod
    def parse(cls, data: bytes) -> State:
        """A state as :meth:`encode` writes it; it fits its own note. Raises ValueError."""
        read = json.loads(data)
        if not isinstance(read, dict) or read.get("version") != _VERSION:
            raise ValueError("is of another version")
        found = cls(
            int(read["size"]),
            tuple(bytes.fromhex(one) for one in read["frontier"]),
            str(read["note"]).encode(),
        )
        found.check()
        return found

    def check(self) -> None:
        """Raises ValueError unless note and frontier belong together."""
        try:
            head = Checkpoint.of(self.note)[0].head
        except NoteError as error:
            raise ValueError(f"its note {error}") from None
        if (head.size, head.root) != (self.size, self.tree.root):
            raise ValueError("its note is not about its tree")

    def encode(self) -> bytes:
        """As it stands in the file."""
        frontier = [one.hex() for one in self.frontier]
        return json.dumps(
            {
                "version": _VERSION,
                "size": self.size,
                "frontier": frontier,
                "note": self.note.decode(),
            },
            ensure_ascii=False,
            indent=1,
        ).encode()


class KeyFile:
    """A key file, held so that no other process signs with it meanwhile.

    Attributes:
        key: what is signed with.
        next: the key that is to take over, once it has signed beside this one.
    """

    def __init__(self, path: Path, name: str) -> None:
        """Opens it; makes a key of that name if there is none. Raises SignerFilesError."""
        self.path = path
        self.next: SigningKey | None = None
        try:
            if not path.exists():
                _create(path, SigningKey.generate(name))
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise SignerFilesError(f"{path}: no signing key can be had: {error}") from error
        try:
            self.key = self._read()
            for left in path.parent.glob(f".{path.name}.*"):
                left.unlink(missing_ok=True)  # a crash left it; no other process can need it
            if next_path(path).exists():
                self.next = SigningKey.parse(next_path(path).read_text())
            if not self._is_published():
                self._publish(self.key)
        except BlockingIOError:
            self.close()
            raise SignerFilesError(f"{path}: another process signs with this key") from None
        except (OSError, NoteError, UnicodeDecodeError) as error:
            self.close()
            raise SignerFilesError(f"{path}: {error}") from None

    def _read(self) -> SigningKey:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(self._descriptor).st_mode & _OTHERS:
            raise NoteError(
                "others may read the signing key; chmod 600, or make a new one if somebody has"
            )
        return SigningKey.parse(os.read(self._descriptor, _MOST_BYTES).decode())

    def prepare(self) -> SigningKey:
        """The next key, made now unless it was. Raises SignerFilesError."""
        if self.next is None:
            made = SigningKey.generate(self.key.name)
            try:
                replace(next_path(self.path), f"{made.reveal()}\n".encode(), _OWNER_ONLY)
            except OSError as error:
                raise SignerFilesError(f"{next_path(self.path)}: {error}") from error
            self.next = made
        return self.next

    def take_over(self) -> None:
        """The next key is the key from now on; the one before is gone. Raises SignerFilesError."""
        if self.next is None:
            return
        try:
            with suppress(FileNotFoundError):  # it was moved, and then something went wrong
                next_path(self.path).replace(self.path)
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            os.close(self._descriptor)
            self._descriptor = descriptor
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _sync_folder(self.path.parent)
            self._publish(self.next)
            self.key, self.next = self.next, None
        except OSError as error:
            raise SignerFilesError(f"{self.path}: cannot be replaced: {error}") from error

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)

    def _is_published(self) -> bool:
        path = public_path(self.path)
        return path.exists() and path.read_text().strip() == str(self.key.verifier)

    def _publish(self, key: SigningKey) -> None:
        replace(public_path(self.path), f"{key.verifier}\n".encode(), _PUBLIC)


def peek(path: Path) -> tuple[VerifierKey, ...]:
    """The key of a file, and the one that is to take over, if any; whoever signs with them.

    Raises SignerFilesError.
    """
    try:
        there = [path, *(one for one in (next_path(path),) if one.exists())]
        return tuple(SigningKey.parse(one.read_text()).verifier for one in there)
    except (OSError, NoteError, UnicodeDecodeError) as error:
        raise SignerFilesError(f"{path}: {error}") from error


def public_path(key: Path) -> Path:
    """Where the public half of a key file is kept, to be given to auditors."""
    return key.with_name(f"{key.name}.pub")


def state_path(key: Path) -> Path:
    """Where a signer keeps what it has signed last."""
    return key.with_name(f"{key.name}.state")


def next_path(key: Path) -> Path:
    """Where the key waits that is to take over."""
    return key.with_name(f"{key.name}.next")


def read_state(path: Path) -> State:
    """The kept state; an empty one if there is none. Raises SignerFilesError."""
    try:
        return State.parse(path.read_bytes())
    except FileNotFoundError:
        return State()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SignerFilesError(
            f"{path}: what was signed last cannot be read ({error}); restore it from a backup"
        ) from error


def write_state(path: Path, state: State) -> None:
    """Keep a state; it is on the disk when this returns. Raises SignerFilesError."""
    try:
        replace(path, state.encode(), _OWNER_ONLY)
    except OSError as error:
        raise SignerFilesError(f"{path}: cannot be written: {error}") from error


def replace(path: Path, data: bytes, mode: int) -> None:
    """Put a file in place, whole and synchronised, or leave what is there. Raises OSError."""
    draft = _draft(path, data, mode)
    try:
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _create(path: Path, key: SigningKey) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(path, f"{key.reveal()}\n".encode(), _OWNER_ONLY)
    try:
        os.link(draft, path)
    except FileExistsError:
        return  # another process was faster, and its key counts
    finally:
        draft.unlink()
    _sync_folder(path.parent)


def _draft(path: Path, data: bytes, mode: int) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return draft


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
