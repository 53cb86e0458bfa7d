"""The day that every figure of can be counted by hand, recorded once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from told_chain import DAY, NEXT_DAY, Desk, tell_the_day

from risk_policy import parse_policy
from risk_receivers.periodic.period import Period
from risk_receivers.periodic.subject import Subject, gather
from risk_receivers.periodic.terms import Terms

Gather = Callable[..., Subject]


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = tmp_path_factory.mktemp("day") / "audit.db"
    desk = Desk(database)
    tell_the_day(desk)
    desk.stop()
    return database


@pytest.fixture
def own_day(day: Path, tmp_path: Path) -> Path:
    """The same, to be spoilt."""
    for file in day.parent.iterdir():
        shutil.copy(file, tmp_path)
    return tmp_path / day.name


@pytest.fixture(scope="session")
def gathered() -> Gather:
    def of(database: Path, start: datetime = DAY, end: datetime = NEXT_DAY) -> Subject:
        terms = Terms.of(parse_policy(b""))
        return gather(terms, database, Period(start, end), made_at=NEXT_DAY)

    return of
