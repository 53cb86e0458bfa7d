"""What the tests of the nautilus adapter share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from nautilus_rig import GateWriter, layer_without_receivers
from receivers_process import TOKENS, ReceiversProcess

from risk_runtime.adapters.nautilus import RiskLayer


@pytest.fixture
def writer(tmp_path: Path) -> GateWriter:
    """A gate that is open."""
    made = GateWriter(tmp_path / "gate")
    made.open()
    return made


@pytest.fixture
def layer(
    tmp_path: Path, writer: GateWriter, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RiskLayer]:
    """The risk layer over that gate, with nobody at the other end."""
    monkeypatch.setenv("RISKWARDEN_RUNTIME_TOKEN", "a-token")
    with layer_without_receivers(tmp_path, writer.directory) as made:
        yield made


@pytest.fixture
def receivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReceiversProcess]:
    """Real ones, running, with their tokens in this process's environment too."""
    for name, token in TOKENS.items():
        monkeypatch.setenv(name, token)
    made = ReceiversProcess(tmp_path)
    try:
        yield made.start()
    finally:
        made.kill()
