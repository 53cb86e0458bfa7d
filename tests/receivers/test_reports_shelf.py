"""Reports that were written are there for whoever may read them, and nothing else of the folder."""

from __future__ import annotations

from typing import Any

import pytest

NAMES = ("daily-20260301-20260301.html", "weekly-20260223-20260301.md")


@pytest.fixture
def shelf(stopped: Any) -> Any:
    """A service that has written two reports, and keeps something else beside them."""
    folder = stopped.data / "reports"
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / name).write_text(f"# {name}")
    (folder / "notes.txt").write_text("mine")
    (folder / "daily-20260301-20260399.md").write_text("no such day")
    (folder / "daily-20260303-20260303.md").symlink_to(folder / "gone")
    (stopped.data / "secret-20260301-20260301.md").write_text("not a report")
    return stopped.start()


def test_reports_are_listed_and_handed_out_as_they_were_written(shelf: Any) -> None:
    found = shelf.call("GET", "/api/v1/reports").json()["reports"]
    assert [one["name"] for one in found] == [NAMES[1], NAMES[0]]
    assert found[0]["kind"] == "weekly"
    assert (found[0]["first_day"], found[0]["last_day"]) == ("2026-02-23", "2026-03-01")
    answer = shelf.call("GET", f"/api/v1/reports/{NAMES[0]}")
    assert answer.text == f"# {NAMES[0]}"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    # It holds what people wrote: no browser may take it for a page of ours.
    assert answer.headers["content-disposition"].startswith("attachment")
    for other in ("notes.txt", "daily-20260302-20260302.md", "..%2Fsecret-20260301-20260301.md"):
        assert shelf.call("GET", f"/api/v1/reports/{other}").status_code == 404
