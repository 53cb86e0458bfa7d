"""An alert that nobody answers, and the clock that counts for how long."""

from __future__ import annotations

import time
from typing import Final

from chaos.declared import Must
from chaos.world import World
from riskwarden.stack.layout import StackError

_RISK_ID: Final = "gross_exposure/main"
_SECONDS: Final = 60.0
#: The clocks of evaluation and delivery, on a machine that does other things, too.
_LATE_SECONDS: Final = 15.0


def half_way(world: World) -> None:
    """Wait until it fires, and for half of the time after which it escalates."""
    if world.stage.wait(lambda: world.count("ALERT_CREATED", _RISK_ID), 60) is None:
        raise StackError(f"{_RISK_ID} does not fire")
    world.facts["fired_at"] = time.monotonic()
    time.sleep(_SECONDS / 2)


def _escalated(world: World) -> bool:
    if world.count("ALERT_ESCALATED", _RISK_ID) == 0:
        return False
    world.facts.setdefault("escalated_at", time.monotonic())
    return True


def _waited(world: World) -> float:
    return float(world.facts.get("escalated_at", time.monotonic()) - world.facts["fired_at"])


ESCALATES: Final = Must("it escalates", _escalated, 90)
IN_TIME: Final = Must(
    f"{_SECONDS:g} s after it began, as if nothing had been restarted ({_LATE_SECONDS:g} s late at "
    "most)",
    lambda w: -3 <= _waited(w) - _SECONDS <= _LATE_SECONDS,
    0.0,
    lambda w: f"{_waited(w):.1f} s",
)
ONE_EPISODE: Final = Must(
    "it counts as one episode",
    lambda w: w.count("ALERT_RESOLVED", _RISK_ID) == 0 and w.count("ALERT_EXPIRED", _RISK_ID) == 0,
    0.0,
    lambda w: f"{w.count('ALERT_CREATED', _RISK_ID)} begun, none ended",
)
