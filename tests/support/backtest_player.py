"""Histories made of numbers, and promtool to replay them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from risk_policy import Policy
from risk_policy.catalogue.limits import LIMITS
from risk_rules.backtest import Clock, Firing, History, Replay, Series, episodes, merged
from risk_rules.backtest.episodes import Episode
from riskwarden.backtest.promtool import run_jobs

START = datetime(2020, 1, 1, 21, tzinfo=UTC)


@dataclass(frozen=True)
class Player:
    """Replays values of limits: ``{"drawdown": [...], "position_loss/AAPL": [...]}``."""

    policy: Policy
    step_seconds: float = 86_400.0
    answered: bool = True
    whole: bool = False

    def on(self, **changes: Any) -> Player:
        return replace(self, **changes)

    def replay(self, values: Mapping[str, Sequence[float | None]]) -> Replay:
        rows = len(next(iter(values.values())))
        series = tuple(_series(name, tuple(column)) for name, column in values.items())
        times = tuple(START + timedelta(seconds=row * self.step_seconds) for row in range(rows))
        history = History("main", times, (1.0,) * rows, series, "numbers")
        clock = Clock.of(self.policy, self.step_seconds)
        return Replay(self.policy, history, clock, answered=self.answered, whole=self.whole)

    def fired(self, values: Mapping[str, Sequence[float | None]]) -> list[Firing]:
        return merged(run_jobs(list(self.replay(values).jobs()), workers=2))

    def episodes(self, values: Mapping[str, Sequence[float | None]]) -> tuple[Episode, ...]:
        replay = self.replay(values)
        return episodes(self.fired(values), replay.rows, replay.history)


def _series(name: str, values: tuple[float | None, ...]) -> Series:
    limit_name, *rest = name.split("/")
    limit = next(limit for limit in LIMITS if limit.name == limit_name)
    identity = dict(zip(limit.identity, ("main", *rest), strict=True))
    risk_id = "/".join((limit_name, *identity.values()))
    return Series(limit.metric.name, {**identity, "risk_id": risk_id}, values)
