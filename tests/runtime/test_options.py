"""The command line: what it takes, and how it refuses."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import pytest

from risk_runtime.paper.options import Options, parse

NEEDED = ("--data", "d", "--gate", "g", "--journal", "j.jsonl")


def test_only_folders_and_journal_are_needed() -> None:
    options = parse(NEEDED)
    assert isinstance(options, Options)
    assert (options.data, options.gate) == (Path("d"), Path("g"))
    assert options.start == date(2007, 1, 3)
    assert options.listen is None, "the policy decides"
    assert not options.exit_at_end


def test_the_speed_after_a_kill_is_the_same_unless_given() -> None:
    assert parse((*NEEDED, "--days-per-second", "3")).speed_after_kill == 3
    both = parse((*NEEDED, "--days-per-second", "3", "--speed-after-kill", "inf"))
    assert (both.days_per_second, both.speed_after_kill) == (3, math.inf)


def test_how_far_the_book_may_be_invested_can_be_given() -> None:
    assert parse(NEEDED).exposure_max_ratio == 0.85
    assert parse((*NEEDED, "--exposure-max-pct", "50")).exposure_max_ratio == 0.5


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--days-per-second", "0"), "must be above 0"),
        (("--days-per-second", "nan"), "must be above 0"),
        (("--wait-for-scrape", "inf"), "number of seconds"),
        (("--listen", "9464"), "must be host:port"),
        (("--cash", "-5"), "no amount above 0"),
        (("--exposure-max-pct", "0"), "must be above 0"),
        (("--exposure-max-pct", "nan"), "must be above 0"),
        (("--start", "tomorrow"), "--start"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_would_be_right(
    arguments: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        parse((*NEEDED, *arguments))
    assert left.value.code == 2
    assert complaint in capsys.readouterr().err
