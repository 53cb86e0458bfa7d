"""C2SP signed notes (c2sp.org/signed-note) with Ed25519 keys, and the text forms of the keys.

A note is text whose last byte is a newline, an empty line, and one line per signature::

    — NAME base64(ID[4] || SIGNATURE[64])

What is signed is the text alone, so anybody may add a signature of their own. Invariant: a
signature by an unknown key says nothing and is passed over; one in the name of a known key that
does not fit is never passed over. ``ID`` is SHA-256(NAME || "\\n" || 0x01 || public key), cut off.

A verifier key is public: ``NAME+ID+base64(0x01 || public key)``. A signing key is not, and its
text form stands nowhere but in its file: ``repr`` does not show it.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from risk_receivers.audit.errors import AuditError

ED25519: Final = 1
_ID_BYTES: Final = 4
_KEY_BYTES: Final = 32
#: More than anybody adds; keeps a forged note from costing its reader time.
_MOST_SIGNATURES: Final = 100
_MOST_BYTES: Final = 1_000_000
_PRIVATE: Final = "PRIVATE+KEY+"
_KEY: Final = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
_SIGNATURE: Final = re.compile(r"— (\S+) ([A-Za-z0-9+/=]+)")


class NoteError(AuditError):
    """A note, or a key, is not what it should be; the message says why."""


@dataclass(frozen=True)
class VerifierKey:
    """A public key and the name it signs in."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public) != _KEY_BYTES:
            raise NoteError(f"an Ed25519 key has {_KEY_BYTES} bytes, not {len(self.public)}")

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """A key as ``str`` writes it. Raises NoteError."""
        name, key_id, key = _parse_key(text.strip(), "verifier")
        found = cls(name, key)
        if found.id != key_id:
            raise NoteError(f"the verifier key {name}+{key_id.hex()} does not have that id")
        return found

    @cached_property
    def id(self) -> bytes:
        """What tells it from other keys of the same name."""
        return _key_id(self.name, self.public)

    @cached_property
    def short(self) -> str:
        """``NAME+ID``, as people tell keys apart."""
        return f"{self.name}+{self.id.hex()}"

    def __str__(self) -> str:
        return f"{self.short}+{_base64(bytes([ED25519]) + self.public)}"

    def has_signed(self, text: str, signature: bytes) -> bool:
        """Whether a signature is by this key."""
        try:
            self._ed25519.verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True

    @cached_property
    def _ed25519(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.public)


@dataclass(frozen=True)
class SigningKey:
    """A private key and its name. Its text form is a secret."""

    name: str
    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.seed) != _KEY_BYTES:
            raise NoteError(f"an Ed25519 key has {_KEY_BYTES} bytes")

    @classmethod
    def generate(cls, name: str) -> SigningKey:
        """A new one."""
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> SigningKey:
        """A key as :meth:`reveal` writes it. Raises NoteError, which does not quote it."""
        text = text.strip()
        if not text.startswith(_PRIVATE):
            raise NoteError(f"is no signing key; one begins with {_PRIVATE}")
        name, key_id, seed = _parse_key(text.removeprefix(_PRIVATE), "signing")
        found = cls(name, seed)
        if found.verifier.id != key_id:
            raise NoteError("the signing key does not have the id that it names")
        return found

    def reveal(self) -> str:
        """The secret text form."""
        secret = _base64(bytes([ED25519]) + self.seed)
        return f"{_PRIVATE}{self.name}+{self.verifier.id.hex()}+{secret}"

    @cached_property
    def verifier(self) -> VerifierKey:
        """The public half."""
        return VerifierKey(self.name, self._ed25519.public_key().public_bytes_raw())

    def sign(self, text: str) -> bytes:
        """The signature of a note's text."""
        return self._ed25519.sign(text.encode())

    @cached_property
    def _ed25519(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


@dataclass(frozen=True, slots=True)
class Signature:
    """A line under a note."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"— {self.name} {_base64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text and who claims to have signed it."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, data: bytes) -> Note:
        """A note of its bytes. Raises NoteError."""
        if len(data) > _MOST_BYTES:
            raise NoteError(f"is longer than {_MOST_BYTES} bytes")
        try:
            whole = data.decode()
        except UnicodeDecodeError:
            raise NoteError("is not UTF-8") from None
        _check_characters(whole)
        text, separator, lines = whole.rpartition("\n\n")
        if not separator or not lines.endswith("\n"):
            raise NoteError("has no signature lines, each ending in a newline, after an empty line")
        signed = lines.removesuffix("\n").split("\n")
        if len(signed) > _MOST_SIGNATURES:
            raise NoteError(f"has more than {_MOST_SIGNATURES} signatures")
        return cls(text + "\n", tuple(_parse_signature(line) for line in signed))

    def encode(self) -> bytes:
        """The bytes of the note."""
        return (self.text + "\n" + "".join(map(str, self.signatures))).encode()

    def signed_by(self, keys: Iterable[VerifierKey]) -> list[VerifierKey]:
        """Those of the keys that have signed it.

        Raises NoteError for a signature in the name of one of them that it has not made.
        """
        known = {(key.name, key.id): key for key in keys}
        found: dict[VerifierKey, None] = {}
        for line in self.signatures:
            key = known.get((line.name, line.key_id))
            if key is None:
                continue
            if not key.has_signed(self.text, line.signature):
                raise NoteError(f"the signature by {key.short} does not fit the text")
            found[key] = None
        return list(found)


def sign(text: str, *keys: SigningKey) -> Note:
    """A note signed by the keys. Raises NoteError."""
    if not text.endswith("\n"):
        raise NoteError("a note's text ends in a newline")
    _check_characters(text)
    return Note(text, tuple(Signature(key.name, key.verifier.id, key.sign(text)) for key in keys))


def check_name(name: str) -> None:
    """Raises NoteError for what cannot be a key's name."""
    if not name or "+" in name or any(one.isspace() for one in name):
        raise NoteError(f"{name!r} is no key's name; it must be text without spaces and plus signs")
    _check_characters(name)


def _parse_key(text: str, kind: str) -> tuple[str, bytes, bytes]:
    found = _KEY.fullmatch(text)
    if found is None:
        raise NoteError(f"is no {kind} key; one is NAME+ID+KEY, as it was printed")
    data = _unbase64(found[3], f"the {kind} key")
    if data[:1] != bytes([ED25519]):
        raise NoteError(f"the {kind} key is of another kind than Ed25519")
    return found[1], bytes.fromhex(found[2]), data[1:]


def _parse_signature(line: str) -> Signature:
    found = _SIGNATURE.fullmatch(line)
    if found is None or "+" in found[1]:
        raise NoteError(f"has a signature line that is none: {line[:40]!r}")
    data = _unbase64(found[2], "a signature line")
    if len(data) <= _ID_BYTES:
        raise NoteError("has a signature line without a signature")
    return Signature(found[1], data[:_ID_BYTES], data[_ID_BYTES:])


def _key_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + bytes([ED25519]) + public).digest()[:_ID_BYTES]


def _check_characters(text: str) -> None:
    for one in text:
        if (one < " " and one != "\n") or unicodedata.category(one) == "Cs":
            raise NoteError("holds a control character")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unbase64(text: str, what: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        data = b""
    # One text for each value: else a note could be changed without anybody noticing.
    if not data or _base64(data) != text:
        raise NoteError(f"{what} is not base64")
    return data
