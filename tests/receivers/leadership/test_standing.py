"""A service that stands by goes on looking whatever goes wrong, and says what does."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

from risk_receivers.database.place import Server
from risk_receivers.leadership.candidate import Candidate
from risk_receivers.leadership.standing import Standing


def test_a_mistake_ends_a_look_and_not_the_standing_by(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    place = Server(f"host={tmp_path} dbname=nobody", tmp_path / "audit" / "audit.db")
    looks: list[OSError | None] = []

    def unable_to_sign() -> str:
        looks.append(OSError(errno.EIO, "Input/output error") if not looks else None)
        if looks[-1] is not None:
            raise looks[-1]
        return ""

    standing = Standing(Candidate(place, "", "", 1), place, tmp_path, "", unable_to_sign)
    standing.begin(lambda: None)
    try:
        wait_until(
            lambda: "looking at its key fails with OSError" in standing.why_not_ready,
            what="the mistake is told",
        )
        wait_until(lambda: len(looks) > 1, what="it looks again")
        wait_until(lambda: "fails with" not in standing.why_not_ready, what="it is over")
        assert "the database cannot be reached" in standing.why_not_ready
    finally:
        standing.end()
