"""What Prometheus has measured. Where it cannot be asked there are no figures: none are made up.

What is answered says how much of the period it covers: Prometheus keeps samples for some days
only, and knows nothing of the time in which it did not run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final

import httpx

from risk_policy.catalogue import metrics as m
from risk_policy.contracts.jobs import EXPORTER_JOB, RECEIVERS_JOB
from risk_receivers.document.model import Point
from risk_receivers.periodic.errors import ReportError
from risk_receivers.periodic.period import Period
from risk_receivers.trust import verify

#: For one question: over weeks at a sample a second it takes some seconds.
_TIMEOUT: Final = httpx.Timeout(60.0, connect=3.0)
#: Points of a line; a chart shows no more.
_POINTS: Final = 300
#: Those that are scraped as often as the policy says, so that their scrapes, answered or not, tell
#: when Prometheus looked. The others, Prometheus itself among them, are scraped more rarely.
_PACED: Final = (EXPORTER_JOB, RECEIVERS_JOB)
_NO_ANSWER: Final = "Prometheus at {url} does not answer ({why}); what it measures is left out"


@dataclass(frozen=True, slots=True)
class Extreme:
    """The lowest, the highest and the latest value of a measure; None where nothing is known."""

    lowest: float | None = None
    highest: float | None = None
    latest: float | None = None


@dataclass(frozen=True, slots=True)
class Up:
    """How much of the time a part answered when it was scraped.

    Attributes:
        ratio: of the scrapes that there were.
        covered: the share of the period for which there were scrapes; of the rest nobody knows.
    """

    ratio: float
    covered: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What Prometheus knew of a period, by account.

    Attributes:
        problem: why there is nothing; empty if it was asked.
        source: who was asked.
        chain_size: the longest audit chain that it has seen in the period; 0 if none.
        covered: the share of the period for which there were snapshots.
    """

    problem: str = ""
    source: str = ""
    chain_size: int = 0
    drawdown: Mapping[str, Extreme] = field(default_factory=dict)
    daily_pnl: Mapping[str, Extreme] = field(default_factory=dict)
    equity: Mapping[str, Extreme] = field(default_factory=dict)
    equity_line: Mapping[str, tuple[Point, ...]] = field(default_factory=dict)
    drawdown_line: Mapping[str, tuple[Point, ...]] = field(default_factory=dict)
    covered: Mapping[str, float] = field(default_factory=dict)
    up: Mapping[str, Up] = field(default_factory=dict)

    @property
    def accounts(self) -> list[str]:
        """Those that anything is known of."""
        return sorted({*self.drawdown, *self.daily_pnl, *self.equity})


#: Nobody was asked.
UNASKED: Final = Measured("Prometheus was not asked; what it measures is left out")


class Prometheus:
    """Questions to one Prometheus. Raises ReportError where it does not answer."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._client = httpx.Client(timeout=_TIMEOUT, trust_env=False, verify=verify(self.url))

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def value(self, expression: str, at: datetime, label: str) -> dict[str, float]:
        """An expression's values at a time, by a label; what is no number is left out."""
        found = self._ask("query", query=expression, time=str(at.timestamp()))
        values = {
            one["metric"].get(label, ""): float(one["value"][1]) for one in found if "value" in one
        }
        return {name: value for name, value in values.items() if isfinite(value)}

    def line(self, expression: str, period: Period, label: str) -> dict[str, tuple[Point, ...]]:
        """An expression's values over a period, by a label."""
        step = max(period.seconds / _POINTS, 1.0)
        start, end = period.start.timestamp(), period.end.timestamp()
        found = self._ask(
            "query_range", query=expression, start=str(start), end=str(end), step=f"{step:g}"
        )
        return {one["metric"].get(label, ""): _points(one["values"], step) for one in found}

    def _ask(self, what: str, **parameters: str) -> list[dict[str, Any]]:
        try:
            answer = self._client.post(f"{self.url}/api/v1/{what}", data=parameters)
            said = answer.json()
            if said["status"] != "success":
                raise ReportError(
                    f"Prometheus at {self.url}: {said.get('error', answer.status_code)}"
                )
            found: list[dict[str, Any]] = said["data"]["result"]
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise ReportError(_NO_ANSWER.format(url=self.url, why=why)) from error
        except (ValueError, KeyError, TypeError) as error:  # another server's answer
            why = f"HTTP {answer.status_code}, and no answer of Prometheus's"
            raise ReportError(_NO_ANSWER.format(url=self.url, why=why)) from error
        return found


def measure(url: str, period: Period, scrape_seconds: float) -> Measured:
    """What a Prometheus knows of a period; why there is nothing, if it does not answer."""
    prometheus = Prometheus(url)
    try:
        return _measured(prometheus, period, scrape_seconds)
    except ReportError as error:
        return Measured(str(error))
    finally:
        prometheus.close()


def _measured(prometheus: Prometheus, period: Period, scrape_seconds: float) -> Measured:
    window = f"[{round(period.seconds * 1000)}ms]"
    expected = period.seconds / scrape_seconds

    def extreme(name: str) -> dict[str, Extreme]:
        # An account has several series if its exporter was moved, or its currency was changed.
        found = {
            how: prometheus.value(
                f"{of} by (account) ({how}_over_time({name}{window}))", period.end, "account"
            )
            for how, of in (("min", "min"), ("max", "max"), ("last", "max"))
        }
        accounts = {account for values in found.values() for account in values}
        return {
            account: Extreme(*(found[how].get(account) for how in ("min", "max", "last")))
            for account in accounts
        }

    counted = f"sum by (account) (count_over_time({m.EQUITY.name}{window}))"
    snapshots = prometheus.value(counted, period.end, "account")
    scrapes = prometheus.value(f"sum by (job) (count_over_time(up{window}))", period.end, "job")
    answered = prometheus.value(f"sum by (job) (sum_over_time(up{window}))", period.end, "job")
    looked = {job: min(scrapes.get(job, 0.0) / expected, 1.0) for job in _PACED}
    sizes = prometheus.value(f"max_over_time({m.AUDIT_EVENTS.name}{window})", period.end, "job")
    return Measured(
        source=f"Prometheus at {prometheus.url}",
        chain_size=round(max(sizes.values(), default=0.0)),
        drawdown=extreme(m.DRAWDOWN.name),
        daily_pnl=extreme(m.DAILY_PNL.name),
        equity=extreme(m.EQUITY.name),
        equity_line=prometheus.line(f"max by (account) ({m.EQUITY.name})", period, "account"),
        drawdown_line=prometheus.line(f"max by (account) ({m.DRAWDOWN.name})", period, "account"),
        covered={name: min(count / expected, 1.0) for name, count in snapshots.items()},
        up={
            job: Up(
                answered.get(job, 0.0) / count,
                looked.get(job, max(looked.values())),
            )
            for job, count in scrapes.items()
            if count
        },
    )


def _points(values: list[list[Any]], step: float) -> tuple[Point, ...]:
    """With a gap wherever Prometheus has none."""
    points: list[Point] = []
    last: float | None = None
    for at, text in values:
        if last is not None and at - last > 1.5 * step:
            points.append(Point(datetime.fromtimestamp(last + step, UTC), None))
        value = float(text)
        points.append(Point(datetime.fromtimestamp(at, UTC), value if isfinite(value) else None))
        last = at
    return tuple(points)
