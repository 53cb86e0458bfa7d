"""Numbers as Prometheus's templates print them, so that all parts word them alike."""

from __future__ import annotations

from risk_policy.catalogue.limits.limit import Kind


def shown(kind: Kind, value: float) -> str:
    """A value in the unit people read it in."""
    if kind is Kind.RATIO:
        return percent(value)
    if kind is Kind.TIME:
        return duration(value)
    return f"{value:.4g}"


def percent(ratio: float) -> str:
    """A ratio as humanizePercentage prints it."""
    return f"{ratio * 100:.4g}%"


def duration(value: float) -> str:
    """A time of a millisecond or more, in seconds, as humanizeDuration prints it."""
    whole = int(value)
    if value == 0:
        return "0s"
    if 0 < value < 1:
        return f"{value * 1000:.4g}ms"
    if value < 60:
        return f"{value:.4g}s"
    days, hours, minutes, rest = (
        whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60
    )  # fmt: skip
    if days:
        return f"{days}d {hours}h {minutes}m {rest}s"
    return f"{hours}h {minutes}m {rest}s" if hours else f"{minutes}m {rest}s"
