"""Secrets of authenticators, sealed: a copy of the database or of a backup shows none.

AES-256-GCM with a key in a file of its own beside the signing key, for its owner alone. Without
the key nothing can be opened, and whoever has an authenticator does not get in: it fails towards
refusing.
"""

from __future__ import annotations

import secrets
import threading
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from risk_receivers.errors import ReceiversError
from risk_receivers.signer.files import replace

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_OWNER_ONLY: Final = 0o600
_OTHERS: Final = 0o077
_PURPOSE: Final = b"riskwarden totp v1 "


class SealError(ReceiversError):
    """The key is not to be had, or does not open what was sealed."""


class Seal:
    """Seals what belongs to somebody. The key is made when it is needed for the first time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._cipher: AESGCM | None = None

    def seal(self, name: str, secret: str) -> bytes:
        """What may be kept. It is nobody else's: it opens for this name alone. Raises SealError."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._key(make=True).encrypt(nonce, secret.encode(), _bound_to(name))

    def open(self, name: str, sealed: bytes) -> str:
        """What was sealed for somebody. Raises SealError."""
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._key(make=False).decrypt(nonce, rest, _bound_to(name)).decode()
        except (InvalidTag, ValueError) as error:
            raise SealError(f"{self._path}: is not what {name}'s was sealed with") from error

    def _key(self, *, make: bool) -> AESGCM:
        with self._lock:
            if self._cipher is None:
                self._cipher = self._made_or_read(make=make)
            return self._cipher

    def _made_or_read(self, *, make: bool) -> AESGCM:
        try:
            if make and not self._path.exists():
                self._path.parent.mkdir(parents=True, exist_ok=True)
                replace(self._path, secrets.token_bytes(_KEY_BYTES), _OWNER_ONLY)
            if self._path.stat().st_mode & _OTHERS:
                raise SealError(
                    f"{self._path}: others may read it; chmod 600, and have the authenticators of "
                    "all users made anew if somebody has"
                )
            key = self._path.read_bytes()
        except OSError as error:
            raise SealError(
                f"{self._path}: the key of the authenticators' secrets cannot be had "
                f"({error.strerror}); restore it, or make them anew: riskwarden user totp"
            ) from error
        if len(key) != _KEY_BYTES:
            raise SealError(f"{self._path}: must hold {_KEY_BYTES} bytes and holds {len(key)}")
        return AESGCM(key)


def _bound_to(name: str) -> bytes:
    return _PURPOSE + name.encode()
