"""Every scenario, by the name under which it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from risk_policy import Policy
from riskwarden.drill.record import Notes
from riskwarden.drill.scenarios import faults, gating, kills, limits
from riskwarden.drill.stage import OwnStage, Stage
from riskwarden.stack.stack import Replay

#: A quiet year, slowly: nothing trips by itself while a drill looks on.
_QUIET: Final = Replay("2007-01-03", "2007-12-31", 2.0)
#: The crash, from its highest point on.
_CRASH: Final = Replay("2008-06-02", None, 6.0)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One rehearsal.

    Attributes:
        title: what it is about.
        run: does it on any running stack.
        own: does it on a stack of its own, whose parts it ends.
        alone: does it without any stack. One of the three is there.
        replay: what the paper runtime plays meanwhile.
    """

    title: str
    run: Callable[[Stage, Notes], None] | None = None
    own: Callable[[OwnStage, Notes], None] | None = None
    alone: Callable[[Policy, Notes], None] | None = None
    replay: Replay = _QUIET


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "order-breach": Scenario("an order beyond its limits is blocked", run=limits.order_breach),
    "portfolio-breach": Scenario(
        "a portfolio falls to the emergency drawdown", own=limits.portfolio_breach, replay=_CRASH
    ),
    "data-gap": Scenario("the runtime stops telling", own=faults.data_gap),
    "corrupt-candle": Scenario("a price that is none", alone=limits.corrupt_candle),
    "channel-down": Scenario("a channel cannot deliver", own=faults.channel_down),
    "receivers-killed": Scenario("the receivers are killed", own=faults.receivers_killed),
    "prometheus-dead": Scenario("Prometheus dies", own=faults.prometheus_dead),
    "exchange-outage": Scenario("closing is asked for while nothing closes", own=faults.outage),
    "credential-leak": Scenario("somebody tries tokens", own=faults.credential_leak),
    "kill-pause": Scenario("kill switch, mode pause", run=kills.pause),
    "kill-graceful": Scenario("kill switch, mode graceful", run=kills.graceful),
    "kill-immediate": Scenario("kill switch, mode immediate", run=kills.immediate),
    "gate-default": Scenario("all gates as they are by default", alone=gating.default),
    "gate-2-missing": Scenario("gate 1 without gate 2", alone=gating.second_gate_missing),
    "gate-dry-run": Scenario("armed, with dry run on", alone=gating.dry_run),
    "gate-no-token": Scenario("no confirmation token", alone=gating.no_token),
    "gate-limits": Scenario("all gates open, limits hit", alone=gating.limits_hit),
    "gate-testnet": Scenario("testnet", alone=gating.testnet),
    "gate-paper": Scenario("paper", alone=gating.paper),
}
