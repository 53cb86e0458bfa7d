"""Ranges mean the same in Prometheus 2 and 3, of which one leaves out what is on the edge."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from risk_policy import Policy
from risk_rules import timing


@pytest.mark.parametrize("scrape_ms", [200, 250, 1000, 1500, 3000])
def test_no_range_is_a_multiple_of_the_time_between_samples(
    policy_with: Callable[..., Policy], scrape_ms: int
) -> None:
    every = ("scrape_interval_seconds = 1", f"scrape_interval_seconds = {scrape_ms / 1000:g}")
    policy = policy_with(every)
    for quarters in range(4, 60):
        seconds = quarters * scrape_ms / 4000
        for range_seconds, shortest, longest in (
            (timing.off_multiple(policy, seconds), 0.5, 0.75),
            (timing.failure_memory_seconds(policy, seconds), -1.75, -1.5),
        ):
            if range_seconds:
                more = (range_seconds - seconds) * 1000 / scrape_ms
                assert shortest - 0.01 <= more <= longest + 0.01
                assert round(range_seconds * 1000) % scrape_ms != 0
