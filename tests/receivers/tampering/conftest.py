"""The honest chain, told once, and a copy of it for every attacker."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tampering import story
from tampering.forger import Forger


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the honest files, at rest, and in ``old`` a copy of when they were younger."""
    folder = tmp_path_factory.mktemp("told")
    database = folder / "audit.db"
    story.tell(database)
    old = folder / "old"
    old.mkdir()
    for file in [path for path in folder.iterdir() if path.is_file()]:
        shutil.copyfile(file, old / file.name)
    story.go_on(database, "latency of kraken is 700 ms", "latency of kraken is 60 ms")
    return folder


@pytest.fixture
def forger(told: Path, tmp_path: Path) -> Forger:
    """An attacker at a copy of his own."""
    shutil.copytree(told, tmp_path, dirs_exist_ok=True)
    return Forger(tmp_path / "audit.db", tmp_path / "old")
