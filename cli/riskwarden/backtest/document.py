"""Runs as JSON: everything that was found, with market times instead of row numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from risk_rules.backtest import Episode
from risk_rules.backtest.verdict import Curve
from riskwarden.backtest.runs import Run
from riskwarden.backtest.words import notes

SCHEMA: Final = 1


def document(runs: Sequence[Run]) -> str:
    """One document for all runs."""
    content = {"schema": SCHEMA, "runs": [_run(run) for run in runs]}
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _run(run: Run) -> dict[str, Any]:
    history, verdict = run.history, run.verdict
    times = [at.isoformat() for at in history.times]
    trip = verdict.trip
    return {
        "policy": {"source": run.policy.source, "sha256": run.policy.digest},
        "input": {
            "source": history.source,
            "account": history.account,
            "rows": len(times),
            "first": times[0],
            "last": times[-1],
        },
        "clock": {
            "step_seconds": run.clock.step_seconds,
            "compression": run.clock.compression,
            "evaluations": run.evaluations,
            "evaluations_replayed": run.replayed,
            "answered": run.answered,
        },
        "watched_limits": list(run.watched),
        "notes": notes(run),
        "months": verdict.months,
        "alerts": len(verdict.episodes),
        "alerts_per_month": verdict.alerts_per_month,
        "false_alarm_ratio": verdict.false_alarm_ratio,
        "kill_switch": None
        if trip is None
        else {
            "alertname": trip.alertname,
            "risk_id": trip.risk_id,
            "at": times[trip.row],
            "flat_at": None if trip.flat_row is None else times[trip.flat_row],
        },
        "without": _curve(verdict.curve),
        "with": None if verdict.curve_with is None else _curve(verdict.curve_with),
        "orders_held_back": run.held_back,
        "gate": [
            {
                "action": use.action.value,
                "enforced": use.enforced,
                "effect": use.effect,
                "times": use.times,
                "rows": use.rows,
                "first": times[use.first_row],
            }
            for use in verdict.gate
        ],
        "counts": [
            {**{k: v for k, v in asdict(count).items() if k != "first_row"},
             "first": times[count.first_row]}
            for count in verdict.counts
        ],
        "episodes": [_episode(episode, times) for episode in verdict.episodes],
        "rows": {
            "times": times,
            "equity": list(verdict.curve.equity),
            "drawdown": list(verdict.curve.drawdown),
        },
    }  # fmt: skip


def _curve(curve: Curve) -> dict[str, float]:
    return {
        "profit": curve.profit,
        "profit_ratio": curve.profit_ratio,
        "worst_drawdown": curve.worst_drawdown,
    }


def _episode(episode: Episode, times: Sequence[str]) -> dict[str, Any]:
    worst = episode.worst
    return {
        "alertname": episode.alertname,
        "limit": episode.limit,
        "tier": episode.tier,
        "risk_id": episode.risk_id,
        "severity": episode.severity.value,
        "action": episode.action.value,
        "subject": dict(episode.subject),
        "began": times[episode.began],
        "ended": None if episode.ended is None else times[episode.ended],
        # JSON knows no infinity.
        "worst": worst if worst is None or abs(worst) != float("inf") else str(worst),
        "escalations": [
            {"severity": e.severity.value, "why": e.why.value, "at": times[e.row]}
            for e in episode.escalations
        ],
        "false_alarm": episode.resolved_milder,
    }
