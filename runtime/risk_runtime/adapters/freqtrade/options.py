"""The command line of the sidecar, parsed once into typed values."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from risk_policy import default_policy_path
from risk_policy.environment import Secret
from risk_runtime.arguments import endpoint, interval


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; None where the policy decides."""

    policy: Path
    data: Path
    gate: Path
    bot: str
    user: Secret
    password: Secret
    account: str
    is_guarded: bool
    receivers: str | None
    listen: str | None
    poll_seconds: float
    timeout_seconds: float
    drain_seconds: float


def parse(arguments: Sequence[str] | None = None) -> Options:
    """The options; leaves with status 2 and a message if they cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m risk_runtime.adapters.freqtrade",
        description="Watch a freqtrade bot over its REST API and keep it to the trade gate.",
        epilog="The bot's credentials come from FREQTRADE_USERNAME and FREQTRADE_PASSWORD, or from "
        "the files that FREQTRADE_USERNAME_FILE and FREQTRADE_PASSWORD_FILE name.",
    )
    add = parser.add_argument
    add("--policy", type=Path, default=default_policy_path(), metavar="FILE")
    add("--data", type=Path, required=True, metavar="DIR", help="where memory is kept")
    add("--gate", type=Path, required=True, metavar="DIR", help="where the gate is published")
    add("--bot", default="http://127.0.0.1:8080", metavar="URL", help="the bot's API server")
    add("--account", default="freqtrade", metavar="NAME", help="the account in alerts and metrics")
    add("--guarded", action="store_true", help="the strategy asks the gate for sizes itself")
    add("--receivers", metavar="URL", help="default: from the policy")
    add(
        "--listen",
        type=endpoint,
        metavar="HOST:PORT",
        help="/metrics; default: from the policy",
    )
    add(
        "--poll-seconds",
        type=interval,
        default=1.0,
        metavar="SECONDS",
        help="between snapshots",
    )
    add(
        "--timeout-seconds",
        type=interval,
        default=5.0,
        metavar="SECONDS",
        help="longest wait for one answer of the bot",
    )
    add(
        "--drain-seconds",
        type=interval,
        default=2.0,
        metavar="SECONDS",
        help="how long to go on sending reports when leaving; unsent ones are kept",
    )
    given = parser.parse_args(arguments)
    return Options(
        policy=given.policy,
        data=given.data,
        gate=given.gate,
        bot=given.bot,
        user=Secret("${FREQTRADE_USERNAME}"),
        password=Secret("${FREQTRADE_PASSWORD}"),
        account=given.account,
        is_guarded=given.guarded,
        receivers=given.receivers,
        listen=given.listen,
        poll_seconds=given.poll_seconds,
        timeout_seconds=given.timeout_seconds,
        drain_seconds=given.drain_seconds,
    )
