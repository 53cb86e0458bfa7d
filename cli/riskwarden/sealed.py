"""Files that are handed out: compressed, encrypted, complete or not there at all.

A file comes into being under a name of its own, readable by its owner alone, and takes its real
one when it is complete and on disk. Nothing that is encrypted touches the disk before it is.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

_GZIP: Final = 16 + zlib.MAX_WBITS


class SealError(Exception):
    """Something cannot be written, or not be encrypted, as it was asked for."""


@dataclass(frozen=True, slots=True)
class Seal:
    """How a file is written. With neither recipients nor a passphrase it is not encrypted."""

    compress: bool = False
    recipients: tuple[str, ...] = ()
    passphrase: str = field(default="", repr=False)

    @property
    def encrypts(self) -> bool:
        """Whether it needs somebody's key or passphrase to be read."""
        return bool(self.recipients or self.passphrase)

    def named(self, path: Path) -> Path:
        """A path with the endings that say what was done to it."""
        name = path.name
        if self.encrypts:
            name = name.removesuffix(".age")
        if self.compress and not name.endswith(".gz"):
            name += ".gz"
        return path.with_name(f"{name}.age" if self.encrypts else name)


@dataclass(slots=True)
class Staged:
    """A complete file that does not have its name yet."""

    path: Path
    digest: str
    size: int


@contextmanager
def staged(path: Path, chunks: Iterable[bytes], seal: Seal) -> Iterator[Staged]:
    """A complete, synchronised file beside its later place; gone again unless it was published.

    Raises SealError, and what the chunks raise.
    """
    staging = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SealError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as stream:
            sink = _Sink(stream)
            _write(_compressed(chunks) if seal.compress else chunks, sink, seal)
            stream.flush()
            os.fsync(stream.fileno())
        yield Staged(staging, sink.digest.hexdigest(), sink.size)
    except OSError as error:
        raise SealError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            staging.unlink()


def publish(file: Staged, path: Path, *, force: bool) -> None:
    """Gives a staged file its name. Raises SealError if that is taken and it is not forced."""
    try:
        if force:
            file.path.replace(path)
        else:
            os.link(file.path, path)  # unlike a rename this never takes another file's place
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError:
        raise SealError(taken(path)) from None
    except OSError as error:
        raise SealError(f"{path}: cannot be written: {error.strerror}") from error


def taken(path: Path) -> str:
    """What is said of a file that is there already."""
    return f"{path}: is there already; --force replaces it"


class _Sink:
    """Takes bytes on their way to a file, and counts them."""

    def __init__(self, stream: object) -> None:
        self._stream = stream
        self.digest = sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Takes some."""
        self.digest.update(data)
        self.size += len(data)
        # Any of three libraries' streams; object is all that they have in common.
        self._stream.write(data)  # type: ignore[attr-defined]
        return len(data)

    def flush(self) -> None:
        """As a file has it."""


class _Source:
    """Chunks as a file that is read."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = b""
        self.error: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes, none at the end."""
        try:
            while not self._left or (size < 0):
                self._left += next(self._chunks)
        except StopIteration:
            pass
        except Exception as error:
            # Whoever reads is a foreign library: it would tell of something else than this.
            self.error = error
            raise
        if size < 0:
            size = len(self._left)
        data, self._left = self._left[:size], self._left[size:]
        return data


def _write(chunks: Iterable[bytes], sink: _Sink, seal: Seal) -> None:
    if not seal.encrypts:
        for chunk in chunks:
            sink.write(chunk)
        return
    pyrage = _pyrage()
    if seal.passphrase:
        sink.write(pyrage.passphrase.encrypt(b"".join(chunks), seal.passphrase))
        return
    source = _Source(chunks)
    try:
        pyrage.encrypt_io(source, sink, [recipient_key(one) for one in seal.recipients])
    except Exception as error:
        # pyrage raises what it likes for what our own chunks raised; theirs is the reason.
        if source.error is not None:
            raise source.error from None
        raise SealError(f"cannot be encrypted: {error}") from error


def recipient_key(text: str) -> object:
    """Whoever may read it: an age or an SSH public key. Raises SealError."""
    pyrage = _pyrage()
    try:
        if text.startswith("ssh-"):
            return pyrage.ssh.Recipient.from_str(text)
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError as error:
        raise SealError(
            f"{text}: is no age recipient (age1…, as age-keygen prints it) or SSH key: {error}"
        ) from error


def _pyrage() -> Any:
    try:
        import pyrage
    except ImportError:
        raise SealError(
            "encrypting needs the package pyrage: pip install 'riskwarden[stack]'"
        ) from None
    return pyrage


def check_recipients(recipients: Sequence[str]) -> None:
    """Before anything is read: whether all of them can be encrypted for. Raises SealError."""
    for one in recipients:
        recipient_key(one)


def _compressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """gzip, without the time and name of who made it."""
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    for chunk in chunks:
        if packed := packer.compress(chunk):
            yield packed
    yield packer.flush()
