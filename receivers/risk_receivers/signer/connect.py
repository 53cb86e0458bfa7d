"""Which signer the policy asks for."""

from __future__ import annotations

from pathlib import Path

from risk_policy.model.audit import Signing
from risk_receivers.signer.signer import KeptSigner, Signer
from risk_receivers.signer.socket_signer import SocketSigner


def connect(signing: Signing, data: Path) -> Signer:
    """That signer, on a data folder. Raises SignerError."""
    if signing.signer == "socket":
        return SocketSigner(Path(signing.socket_path))
    return KeptSigner(data / signing.key_path, signing.log_name)
