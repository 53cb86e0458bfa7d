"""How long things take on their way from a breach to the gate, to people, and to an answer.

What the policy promises is a bound of its own, so that the share that kept it can be told exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics import Metric
from risk_policy.clock import utc_now
from risk_policy.contracts.restriction import HELD_BY_ACTION
from risk_policy.model.names import UNSEEN
from risk_policy.model.reports import Objectives
from risk_policy.vocabulary import Severity
from risk_receivers.channels.message import Kind, Message
from risk_receivers.intake.alert import Alert, Batch, Feed
from risk_receivers.telemetry import Telemetry

_MINUTE: Final = 60.0
#: Around what is usual for each, in seconds: milliseconds here, an evening there.
_STAGE: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_MESSAGE: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
_ACK: Final = (5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 14400)


class Stage(StrEnum):
    """A part of the way. The values are those of the metric's label."""

    RECEIPT = "evaluation_to_receipt"
    RECORD = "receipt_to_record"
    GATE = "breach_to_gate"
    HUMAN = "breach_to_human"


#: Asked for with every alert, and an enumeration's value is a descriptor's answer.
_RECEIPT: Final = Stage.RECEIPT.value
_RECORD: Final = Stage.RECORD.value


def bounds(objectives: Objectives) -> Mapping[Metric, Sequence[float]]:
    """What is counted within, of every metric here."""
    promised = (objectives.breach_to_gate_seconds, objectives.breach_to_human_seconds)
    return {
        m.STAGE_SECONDS: (*_STAGE, *promised),
        m.MESSAGE_DELAY: _MESSAGE,
        m.ACK_DELAY: (*_ACK, objectives.acknowledge_minutes * _MINUTE),
    }


def expect(telemetry: Telemetry) -> None:
    """Count from zero: what is missing cannot be told from what never happened."""
    for stage in Stage:
        telemetry.measure(m.STAGE_SECONDS, stage.value)
    for severity in Severity:
        telemetry.measure(m.ACK_DELAY, severity.value)


def took_in(
    telemetry: Telemetry,
    batch: Batch,
    began: Sequence[Alert],
    *,
    received_at: datetime,
    acted: bool,
) -> None:
    """What a batch of a feed began is on record, and the gate does what it asks for.

    Alertmanager holds back what it hands on, for people: only Prometheus's own feed is measured.
    """
    if batch.feed is not Feed.ALERTS:
        return
    now = utc_now()
    recording = _between(received_at, now)
    for alert in began:
        on_the_way = _between(alert.starts_at, received_at)
        telemetry.measure(m.STAGE_SECONDS, _RECEIPT, seconds=on_the_way)
        telemetry.measure(m.STAGE_SECONDS, _RECORD, seconds=recording)
        if acted and (alert.trips or alert.action in HELD_BY_ACTION):
            whole = _between(alert.starts_at, now)
            telemetry.measure(m.STAGE_SECONDS, Stage.GATE.value, seconds=whole)


def told(telemetry: Telemetry, channel: str, due_at: datetime, message: Message) -> None:
    """A channel has confirmed a message."""
    now = utc_now()
    telemetry.measure(m.MESSAGE_DELAY, channel, seconds=_between(due_at, now))
    is_urgent = message.severity.rank >= Severity.CRITICAL.rank
    if message.kind is Kind.FIRING and message.starts_at and is_urgent and channel not in UNSEEN:
        waited = _between(message.starts_at, now)
        telemetry.measure(m.STAGE_SECONDS, Stage.HUMAN.value, seconds=waited)


def _between(begin: datetime, end: datetime) -> float:
    """Clocks of two machines may disagree; nothing took less than no time."""
    return max((end - begin).total_seconds(), 0.0)
