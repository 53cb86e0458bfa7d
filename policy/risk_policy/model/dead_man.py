"""Dead-man's timers: what happens when a part falls silent, and after how long."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from risk_policy.model.base import AtMost, PositiveSeconds, Section
from risk_policy.vocabulary import DeadManAction


def _closes(value: object) -> object:
    if value == DeadManAction.ALERT:
        raise PydanticCustomError(
            "open",
            "would leave the gate open while nothing could trip the kill switch; write "
            '"reduce_only", which ends by itself, or "halt"',
        )
    return value


class DeadMan(Section):
    """``[alerting.dead_man]``.

    Attributes:
        runtime_seconds: for how long no snapshot of an account that was fresh, which is at most
            ``alerting.system.snapshot_stale_seconds`` old, may be seen.
        prometheus_seconds: for how long its Watchdog may not arrive at the receivers.
        prometheus_action: never ``alert``: nobody would raise one.
    """

    runtime_seconds: Annotated[
        PositiveSeconds, AtMost(900, "for that long nobody knows what an account does")
    ] = 30
    runtime_action: DeadManAction = DeadManAction.REDUCE_ONLY
    prometheus_seconds: Annotated[
        PositiveSeconds,
        AtMost(300, "for that long new risk stays allowed although nobody could raise an alert"),
    ] = 15
    prometheus_action: Annotated[
        Literal[DeadManAction.REDUCE_ONLY, DeadManAction.HALT], BeforeValidator(_closes)
    ] = DeadManAction.REDUCE_ONLY
