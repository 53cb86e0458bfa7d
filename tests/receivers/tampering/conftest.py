"""The honest chain, told once, and a copy of it for every attacker."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from tampering import story
from tampering.forger import Forger

from risk_receivers.verification import verify_store


@dataclass(frozen=True)
class Told:
    """An honest data folder, and what people know of it who never trust it.

    Attributes:
        old: a copy of the folder from when the chain was shorter.
        in_files: the same story once more, in segment files.
        head: as a message told it.
        key: the verifier key's file, as it was handed to the auditor.
    """

    data: Path
    old: Path
    in_files: Path
    head: str
    key: Path


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The story, told once."""
    folder = tmp_path_factory.mktemp("told")
    data, old, key = folder / "data", folder / "old", folder / "auditors.pub"
    story.tell(data)
    shutil.copytree(data, old)
    story.tell(folder / "in_files", in_files=True)
    story.go_on(data, "latency of kraken is 700 ms", "latency of kraken is 60 ms")
    shutil.copyfile(data / "audit" / "signing.key.pub", key)
    head = verify_store(data / "audit" / "audit.db").tree
    return Told(data, old, folder / "in_files", str(head), key)


@pytest.fixture
def forger(told: Told, tmp_path: Path) -> Forger:
    """An attacker at a copy of his own."""
    return Forger(shutil.copytree(told.data, tmp_path / "data"), told.old)


@pytest.fixture
def forger_of_files(told: Told, tmp_path: Path) -> Forger:
    """An attacker at a copy of the chain in segment files."""
    return Forger(shutil.copytree(told.in_files, tmp_path / "files"), told.old, told.data)
