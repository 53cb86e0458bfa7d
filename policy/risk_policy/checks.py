"""Relations between keys, checked on the raw file so that they are reported beside all else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

from risk_policy.errors import Problem
from risk_policy.model.base import is_loopback

#: Looks a dotted key up in the file, falling back to the default; None if it is no number.
Number = Callable[[str], float | None]

_POSITION = "alerting.thresholds.position."
_PORTFOLIO = "alerting.thresholds.portfolio."
_CONCENTRATION = "alerting.thresholds.concentration."
_FREQUENCY = "alerting.escalation.frequency_based."

#: Each must be smaller than the next: mildest first.
LADDERS: Final = (
    (_POSITION + "max_size_warning_pct", _POSITION + "max_size_breach_pct"),
    (_POSITION + "loss_warning_pct", _POSITION + "loss_critical_pct"),
    (_PORTFOLIO + "daily_loss_warning_pct", _PORTFOLIO + "daily_loss_breach_pct"),
    (_PORTFOLIO + "var_warning_pct", _PORTFOLIO + "var_breach_pct"),
    (
        _PORTFOLIO + "max_drawdown_warning_pct",
        _PORTFOLIO + "max_drawdown_critical_pct",
        _PORTFOLIO + "max_drawdown_emergency_pct",
    ),
    (_CONCENTRATION + "single_asset_warning_pct", _CONCENTRATION + "single_asset_breach_pct"),
    (_CONCENTRATION + "sector_warning_pct", _CONCENTRATION + "sector_breach_pct"),
    (
        "alerting.escalation.time_based.warning_to_critical_minutes",
        "alerting.escalation.time_based.critical_to_emergency_minutes",
        "alerting.escalation.time_based.emergency_kill_switch_minutes",
    ),
    (
        _FREQUENCY + "escalate_at_count",
        _FREQUENCY + "deduplicate_at_count",
        _FREQUENCY + "storm_alert_at_count",
    ),
    ("alerting.gate.renew_seconds", "alerting.gate.lease_seconds"),
    ("alerting.prometheus.scrape_interval_seconds", "alerting.system.snapshot_stale_seconds"),
    ("alerting.measures.var_min_samples", "alerting.measures.var_window_days"),
)


def ladder_problems(number: Number) -> Iterator[Problem]:
    """Thresholds that are not in order."""
    for ladder in LADDERS:
        for lower, upper in pairwise(ladder):
            low, high = number(lower), number(upper)
            if low is None or high is None or low < high:
                continue
            yield Problem(
                lower,
                f"{low:g}",
                f"must be below {upper.rpartition('.')[2]} = {high:g}, "
                "or the milder one never comes first",
            )


def exposure_problems(host: object, *, enabled: bool, authenticated: bool) -> Iterator[Problem]:
    """A console that strangers could reach."""
    if enabled and not authenticated and isinstance(host, str) and not is_loopback(host):
        yield Problem(
            "alerting.dashboard.host",
            repr(host),
            "is reachable from other machines; set alerting.dashboard.auth.enabled = true "
            "or bind to 127.0.0.1",
        )
