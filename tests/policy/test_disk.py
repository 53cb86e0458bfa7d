"""The free share of a disk, as an ordinary process sees it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from risk_policy.disk import free_ratio, least_free_ratio


@pytest.mark.parametrize(
    ("blocks", "free_to_root", "free_to_all", "share"),
    [(1000, 400, 300, 1 / 3), (1000, 1000, 1000, 1), (1000, 100, 0, 0), (0, 0, 0, None)],
)
def test_what_is_kept_for_root_counts_neither_as_free_nor_as_there(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    blocks: int,
    free_to_root: int,
    free_to_all: int,
    share: float | None,
) -> None:
    disk = SimpleNamespace(f_blocks=blocks, f_bfree=free_to_root, f_bavail=free_to_all)
    monkeypatch.setattr("os.statvfs", lambda _: disk)
    assert free_ratio(tmp_path) == (share if share is None else pytest.approx(share))


def test_a_folder_that_is_not_there_has_no_free_share(tmp_path: Path) -> None:
    assert free_ratio(tmp_path / "gone") is None
    assert 0 < (free_ratio(tmp_path) or 0) < 1


def test_of_several_the_fullest_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def disk(folder: Path) -> SimpleNamespace:
        if folder.name == "gone":
            raise FileNotFoundError
        return SimpleNamespace(f_blocks=100, f_bfree=int(folder.name), f_bavail=int(folder.name))

    monkeypatch.setattr("os.statvfs", disk)
    assert least_free_ratio(map(Path, ("70", "gone", "20", "90"))) == 0.2
    assert least_free_ratio([Path("gone")]) is None
