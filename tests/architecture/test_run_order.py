"""Long tests begin first, in every process."""

from __future__ import annotations

import pytest
from run_order import dealt


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
@pytest.mark.parametrize(("long", "rest"), [(0, 7), (1, 23), (4, 23), (7, 23), (9, 1), (3, 0)])
def test_each_process_begins_with_its_share_of_the_long_ones(
    long: int, rest: int, processes: int
) -> None:
    ordered = dealt([-one for one in range(1, long + 1)], range(rest), processes)
    assert sorted(ordered) == list(range(-long, rest))
    if long * processes > rest:
        return
    begun = 0
    for number in range(processes):
        part = ordered[begun : begun + (len(ordered) - begun) // (processes - number)]
        own = len(range(number, long, processes))
        assert all(one < 0 for one in part[:own])
        assert all(one >= 0 for one in part[own:])
        begun += len(part)


def test_the_others_stay_in_their_order() -> None:
    ordered = dealt([-1, -2, -3], range(20), 2)
    assert [one for one in ordered if one >= 0] == list(range(20))
