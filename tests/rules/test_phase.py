"""When groups are evaluated, and the names that put them just behind a scrape."""

from __future__ import annotations

import random

import pytest

from risk_policy import Policy
from risk_rules import phase
from risk_rules.errors import PhaseError

FILE = "/etc/riskwarden/rules/drawdown.yml"


@pytest.mark.parametrize(
    ("layout", "size", "length"),
    [
        (phase.Layout.VARINT, 127, b"\x7f"),
        (phase.Layout.VARINT, 128, b"\x80\x01"),
        (phase.Layout.VARINT, 300, b"\xac\x02"),
        (phase.Layout.SIZED, 128, b"\x80"),
        (phase.Layout.SIZED, 254, b"\xfe"),
        (phase.Layout.SIZED, 300, b"\xff\x2c\x01\x00"),
    ],
)
def test_a_length_stands_before_a_label(layout: phase.Layout, size: int, length: bytes) -> None:
    assert layout.bytes_of("é" * (size // 2) + "x" * (size % 2)).startswith(length)
    assert len(layout.bytes_of("x" * size)) == len(length) + size


def groups_of(layout: phase.Layout, count: int = 12, late: float = 0.03) -> list[phase.Seen]:
    """Groups of a server that lays them out so, and is a little late with each."""
    intervals = random.Random(1)
    return [
        phase.Seen(
            FILE,
            f"group-{number}",
            interval := intervals.choice((0.2, 1.0, 5.0)),
            1_700_000_000
            + phase.offset_nanoseconds(layout, FILE, f"group-{number}", interval) / 1e9
            + late * interval,
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("layout", [phase.Layout.SEPARATED, phase.Layout.VARINT])
def test_the_way_in_which_a_server_lays_its_groups_is_told_by_when_it_evaluates_them(
    layout: phase.Layout,
) -> None:
    assert phase.layout_of(groups_of(layout)) is layout


def test_a_way_that_is_not_known_is_none() -> None:
    known = groups_of(phase.Layout.SEPARATED)
    strange = [
        phase.Seen(one.file, f"{one.name}?", one.interval_seconds, one.evaluated_at)
        for one in known
    ]
    assert phase.layout_of(strange) is None
    assert phase.layout_of(known[:7]) is None  # chance would do
    assert phase.layout_of([phase.Seen(FILE, f"{n}", 1.0, None) for n in range(12)]) is None


@pytest.mark.parametrize("start", [0.0, 0.4, 0.97])
def test_what_is_waited_for_is_all_but_a_rare_late_scrape(start: float) -> None:
    began = [100.0 + number + start for number in range(20)]
    took = [0.010] * 18 + [0.015, 0.300]  # one of twenty may be late
    ready = phase.settled(phase.Scrapes("one", began, took), 1.0)
    assert ready == pytest.approx((start + 0.015) % 1.0)


def test_what_comes_at_any_time_or_hardly_at_all_has_no_phase() -> None:
    anywhere = [100.0 + number * 1.37 for number in range(30)]
    with pytest.raises(PhaseError, match="too busy"):
        phase.settled(phase.Scrapes("one", anywhere, [0.01] * 30), 1.0)
    with pytest.raises(PhaseError, match="9 scrapes of one lately, and 10 are needed"):
        phase.settled(phase.Scrapes("one", range(9), [0.01] * 9), 1.0)


@pytest.mark.parametrize("layout", list(phase.Layout))
@pytest.mark.parametrize("interval", [0.2, 1.0, 15.0])
def test_the_chosen_name_is_evaluated_just_behind_the_samples(
    layout: phase.Layout, interval: float
) -> None:
    group = phase.Seen(FILE, "riskwarden-drawdown", interval, None)
    for ready in (0.0, 0.4, 0.99):
        moment = phase.Moment([ready * interval], interval)
        name = phase.chosen(group, layout, moment)
        offset = phase.offset_seconds(group, layout, name)
        assert phase.plain(name) == "riskwarden-drawdown"
        assert moment.spare_seconds <= moment.waited(offset) + 1e-9
        assert moment.waited(offset) <= moment.spare_seconds + 0.0101 * interval
        assert moment.will_do(offset)
        assert phase.chosen(phase.Seen(FILE, name, interval, None), layout, moment) == name


def test_behind_several_exporters_the_one_that_waits_longest_decides() -> None:
    moment = phase.Moment([0.1, 0.3, 0.9], 1.0)
    # Behind 0.3, that of 0.9 has waited 0.4; behind 0.1 and 0.9 something would wait longer.
    assert moment.best_seconds == pytest.approx(0.32)
    assert moment.waited(0.32) == pytest.approx(0.42)
    # Just before the samples of one are there, they wait for nearly a whole interval.
    assert moment.waited(0.29) == pytest.approx(0.99)
    assert not moment.will_do(0.29)
    assert not moment.will_do(0.305)
    assert moment.will_do(0.36)


def test_what_trips_the_kill_switch_is_what_the_policy_says(policy: Policy) -> None:
    assert phase.tripping_groups(policy) == {"riskwarden-drawdown"}


def test_names_that_were_chosen_are_kept_and_nothing_else(policy: Policy) -> None:
    wanted = "groups:\n  - name: riskwarden-a\n    interval: 1s\n  - name: riskwarden-a-trend\n"
    found = "groups:\n  - name: riskwarden-a.83\n    interval: 9s\n  - name: riskwarden-b.5\n"
    assert phase.kept(wanted, found) == wanted.replace("riskwarden-a\n", "riskwarden-a.83\n")
    assert phase.kept(wanted, "") == wanted
    back = phase.renamed(phase.kept(wanted, found), {"riskwarden-a": "riskwarden-a"})
    assert back == wanted
