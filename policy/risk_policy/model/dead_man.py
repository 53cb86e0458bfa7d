"""Dead-man's timers: what happens when a part falls silent, and after how long."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from risk_policy.model.base import AtMost, PositiveSeconds, Seconds, Section
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
        cancel_all_after_seconds: after which an exchange that can cancels all working orders,
            unless the runtime goes on telling it that all is well; 0 asks for nothing.
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
    cancel_all_after_seconds: Annotated[
        Seconds, AtMost(3600, "orders of a dead runtime would work on for as long")
    ] = 30
