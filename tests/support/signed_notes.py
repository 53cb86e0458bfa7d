"""C2SP signed notes, made by hand: a second opinion on what the program signs and checks."""

from __future__ import annotations

import base64
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class NoteSigner:
    """A key and what it signs."""

    def __init__(self, name: str, seed: int = 1) -> None:
        self.name = name
        self._private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        data = b"\x01" + self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._id = sha256(name.encode() + b"\n" + data).digest()[:4]
        self.vkey = f"{name}+{self._id.hex()}+{base64.b64encode(data).decode()}"

    def line(self, text: str) -> str:
        """Its signature of a text."""
        signature = base64.b64encode(self._id + self._private.sign(text.encode())).decode()
        return f"— {self.name} {signature}\n"


def checkpoint(size: int, root: bytes, *signers: NoteSigner) -> str:
    """A signed checkpoint."""
    text = f"{signers[0].name}\n{size}\n{base64.b64encode(root).decode()}\n"
    return f"{text}\n{''.join(signer.line(text) for signer in signers)}"


def rfc9162_root(leaves: list[bytes]) -> bytes:
    """The root, as RFC 9162 defines it: by halves."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = rfc9162_root(leaves[:half]), rfc9162_root(leaves[half:])
    return sha256(b"\x01" + left + right).digest()
