"""Linking events: hashes, heads and the record that follows a head. Pure.

    payload_hash = SHA-256(0x02 || salt[16] || payload)
    checksum     = SHA-256(0x00 || header)

Each header names the checksum of the one before it, so a record cannot be changed, moved,
inserted or removed without changing every checksum after it. What is hashed are the bytes
that are stored; nothing is ever encoded again to be hashed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from msgspec import Struct

from risk_policy.contracts.audit import GENESIS, LEAF_DOMAIN, PAYLOAD_DOMAIN, SALT_BYTES
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.header import Header

#: A short message has the first digits alone. Fewer than these could be met by trying.
_WRITTEN: Final = re.compile(r"([0-9]{1,16}):([0-9A-Fa-f]{12,64})")
_WORDS: Final = 5
_WORD_BITS: Final = 52
_WORD_MASK: Final = 2**_WORD_BITS - 1


class Head(Struct, frozen=True):
    """How far a chain goes: the number of its events and the checksum of the last."""

    size: int
    checksum: str

    @classmethod
    def parse(cls, text: str) -> Head:
        """``SIZE:`` and a checksum, or a Merkle root that is to be held against one.

        The end of its digits may be missing. Raises ValueError.
        """
        found = _WRITTEN.fullmatch(text.strip())
        if found is None:
            raise ValueError(
                "must be SIZE:ROOT or SIZE:CHECKSUM: the number of events, a colon and "
                "64 hexadecimal digits, or the first of them as a short message has them"
            )
        return cls(int(found[1]), found[2].lower())

    def __str__(self) -> str:
        return f"{self.size}:{self.checksum}"


#: The head of a chain without events.
EMPTY: Final = Head(0, GENESIS)


@dataclass(frozen=True, slots=True)
class TreeHead:
    """How far a chain goes: the number of its events and the Merkle root over them all."""

    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.size}:{self.root.hex()}"

    @property
    def words(self) -> tuple[int, ...]:
        """The root in words of 52 bits, each exact in a float; the lowest bits come first."""
        number = int.from_bytes(self.root)
        return tuple(number >> _WORD_BITS * index & _WORD_MASK for index in range(_WORDS))


@dataclass(frozen=True, slots=True)
class Record:
    """One event as it is stored."""

    seq: int
    header: bytes
    checksum: bytes
    salt: bytes
    payload: bytes

    @property
    def head(self) -> Head:
        """The head of a chain that ends here."""
        return Head(self.seq, self.checksum.hex())


def leaf_hash(data: bytes) -> bytes:
    """The RFC 9162 hash of a leaf, which is also the checksum of a header."""
    return sha256(LEAF_DOMAIN + data).digest()


def payload_hash(salt: bytes, payload: bytes) -> bytes:
    """What a header holds of its payload. The salt keeps a deleted payload from being guessed."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    return sha256(PAYLOAD_DOMAIN + salt + payload).digest()


def follow(
    head: Head,
    event: AuditEvent,
    *,
    origin: str,
    recorded_at: datetime,
    keep_days: int | None,
    salt: bytes,
) -> Record:
    """The record of an event that follows a head. ``keep_days`` None keeps it for ever."""
    header = Header(
        event_type=event.event_type,
        expires_at=None if keep_days is None else recorded_at + timedelta(days=keep_days),
        origin=origin,
        payload_hash=payload_hash(salt, event.payload).hex(),
        previous_checksum=head.checksum,
        recorded_at=recorded_at,
        seq=head.size + 1,
    ).encode()
    return Record(head.size + 1, header, leaf_hash(header), salt, event.payload)
