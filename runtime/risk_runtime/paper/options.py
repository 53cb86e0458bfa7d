"""The command line of ``python -m risk_runtime.paper``, parsed once into typed values."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from risk_policy import default_policy_path
from risk_runtime.arguments import endpoint, money, percent, seconds, speed


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; None where the policy decides."""

    policy: Path
    data: Path
    gate: Path
    journal: Path
    receivers: str | None
    listen: str | None
    prices: Path | None
    account: str
    cash: Decimal
    exposure_max_ratio: float
    start: date
    end: date | None
    days_per_second: float
    speed_after_kill: float
    wait_for_scrape: float
    drain_seconds: float
    exit_at_end: bool


def parse(arguments: Sequence[str] | None = None) -> Options:
    """The options; leaves with status 2 and a message if they cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m risk_runtime.paper",
        description="Replay a real book of 2007-2009 behind the trade gate, on paper.",
    )
    add = parser.add_argument
    add("--policy", type=Path, default=default_policy_path(), metavar="FILE")
    add("--data", type=Path, required=True, metavar="DIR", help="where the account is kept")
    add("--gate", type=Path, required=True, metavar="DIR", help="where the gate is published")
    add("--journal", type=Path, required=True, metavar="FILE", help="events as JSON lines")
    add("--receivers", metavar="URL", help="default: from the policy")
    add(
        "--listen",
        type=endpoint,
        metavar="HOST:PORT",
        help="/metrics; default: from the policy",
    )
    add("--prices", type=Path, metavar="FILE", help="default: the committed prices of 2006-2009")
    add("--account", default="main", metavar="NAME")
    add("--cash", type=money, default=Decimal(1_000_000), metavar="AMOUNT")
    add(
        "--exposure-max-pct",
        type=percent,
        default=0.85,
        metavar="PERCENT",
        help="most that may be held and ordered, of equity, in place of the policy's pre_trade."
        "exposure_max_pct; default: 85, since this book is replayed to break limits of losses",
    )
    add("--start", type=date.fromisoformat, default=date(2007, 1, 3), metavar="DATE")
    add("--end", type=date.fromisoformat, metavar="DATE", help="default: the last one there is")
    add(
        "--days-per-second",
        type=speed,
        default=6.0,
        metavar="N",
        help="inf: as fast as it goes",
    )
    add("--speed-after-kill", type=speed, metavar="N", help="default: as before")
    add(
        "--wait-for-scrape",
        type=seconds,
        default=0.0,
        metavar="SECONDS",
        help="longest wait for Prometheus to scrape once and the gate to open",
    )
    add(
        "--drain-seconds",
        type=seconds,
        default=2.0,
        metavar="SECONDS",
        help="how long to go on sending reports when leaving; unsent ones are kept",
    )
    add("--exit-at-end", action="store_true", help="leave instead of serving the last day on")
    given = parser.parse_args(arguments)
    return Options(
        policy=given.policy,
        data=given.data,
        gate=given.gate,
        journal=given.journal,
        receivers=given.receivers,
        listen=given.listen,
        prices=given.prices,
        account=given.account,
        cash=given.cash,
        exposure_max_ratio=given.exposure_max_pct,
        start=given.start,
        end=given.end,
        days_per_second=given.days_per_second,
        speed_after_kill=given.speed_after_kill or given.days_per_second,
        wait_for_scrape=given.wait_for_scrape,
        drain_seconds=given.drain_seconds,
        exit_at_end=given.exit_at_end,
    )
