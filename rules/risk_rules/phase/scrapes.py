"""From when on what a scrape has read can be evaluated, past each whole interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from risk_rules.errors import PhaseError

#: Fewer say nothing about how steadily they come.
LEAST_SCRAPES: Final = 10
#: Of twenty, one may come later: a busy machine would else put off all of them.
_IN_TIME_RATIO: Final = 0.95
#: What comes at any time has no phase.
_STEADY_RATIO: Final = 0.5


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
    """How long past each period the samples of nearly all scrapes are there. Raises PhaseError."""
    if len(scrapes.began) < LEAST_SCRAPES:
        raise PhaseError(
            f"Prometheus has {len(scrapes.began)} scrapes of {scrapes.target} lately, and "
            f"{LEAST_SCRAPES} are needed: wait, or see that the exporter is up"
        )
    ready = sorted(
        (began + took) % period_seconds
        for began, took in zip(scrapes.began, scrapes.took, strict=True)
    )
    # They lie on a circle. The first of them is the one behind the widest gap.
    following = (*ready[1:], ready[0] + period_seconds)
    gaps = [after - one for one, after in zip(ready, following, strict=True)]
    first = (gaps.index(max(gaps)) + 1) % len(ready)
    late = sorted((one - ready[first]) % period_seconds for one in ready)
    nearly_all = late[math.ceil(len(late) * _IN_TIME_RATIO) - 1]
    if nearly_all > period_seconds * _STEADY_RATIO:
        raise PhaseError(
            f"scrapes of {scrapes.target} come at any time of their interval: this machine is too "
            "busy to tell their phase; measure again when it is not"
        )
    return (ready[first] + nearly_all) % period_seconds
