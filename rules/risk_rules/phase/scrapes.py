"""From when on what a scrape has read can be evaluated, past each whole interval."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from risk_rules.errors import PhaseError

#: Fewer say nothing about how steadily they come.
LEAST_SCRAPES: Final = 10
#: What comes at any time waits for half a period on average, whatever moment is chosen.
_STEADY_RATIO: Final = 0.25


@dataclass(frozen=True, slots=True)
class Scrapes:
    """Of one target, those that worked.

    Attributes:
        began: Unix times, as the samples have them.
        took: seconds each, until its samples were there.
    """

    target: str
    began: Sequence[float]
    took: Sequence[float]


def settled(scrapes: Scrapes, period_seconds: float) -> float:
    """How long past each period samples wait least to be evaluated. Raises PhaseError.

    Just behind a scrape, that is: what comes later on a busy machine waits for the next time, and
    is waited for only if there is so much of it that it is worth it.
    """
    if len(scrapes.began) < LEAST_SCRAPES:
        raise PhaseError(
            f"Prometheus has {len(scrapes.began)} scrapes of {scrapes.target} lately, and "
            f"{LEAST_SCRAPES} are needed: wait, or see that the exporter is up"
        )
    ready = [
        (began + took) % period_seconds
        for began, took in zip(scrapes.began, scrapes.took, strict=True)
    ]

    def wait(at: float) -> float:
        return statistics.fmean((at - one) % period_seconds for one in ready)

    best = min(ready, key=wait)
    if wait(best) > period_seconds * _STEADY_RATIO:
        raise PhaseError(
            f"scrapes of {scrapes.target} come at any time of their interval: this machine is too "
            "busy to tell their phase; measure again when it is not"
        )
    return best
