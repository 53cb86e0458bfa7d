"""Secrets of authenticators at rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from risk_receivers.users.seal import Seal, SealError

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def test_what_is_sealed_opens_for_whom_it_was_sealed_after_a_restart_too(tmp_path: Path) -> None:
    path = tmp_path / "audit" / "seal.key"
    sealed = Seal(path).seal("ann", SECRET)
    assert SECRET.encode() not in sealed
    assert path.stat().st_mode & 0o777 == 0o600
    assert Seal(path).open("ann", sealed) == SECRET
    assert Seal(path).seal("ann", SECRET) != sealed, "nothing tells that two are the same"
    with pytest.raises(SealError, match="bob"):
        Seal(path).open("bob", sealed)  # it was put into somebody else's row
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        with pytest.raises(SealError):
            Seal(path).open("ann", bytes(changed))
    for short in (b"", sealed[:5], sealed[:12]):
        with pytest.raises(SealError):
            Seal(path).open("ann", short)


def test_a_key_that_is_lost_others_may_read_or_is_none_opens_nothing(tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    sealed = Seal(path).seal("ann", SECRET)
    path.chmod(0o640)
    with pytest.raises(SealError, match="others may read it"):
        Seal(path).open("ann", sealed)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(SealError, match="32 bytes"):
        Seal(path).open("ann", sealed)
    path.unlink()
    with pytest.raises(SealError, match="riskwarden user totp"):
        Seal(path).open("ann", sealed)
    assert not path.exists(), "a new key would open nothing"
