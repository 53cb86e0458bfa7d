"""How long things take is told by the service itself, and exactly where the policy promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from risk_policy.catalogue import metrics as m
from risk_policy.model.reports import Objectives
from risk_policy.vocabulary import Severity
from risk_receivers import latencies
from risk_receivers.channels.message import Kind, Message
from risk_receivers.telemetry import Telemetry


def stage(name: str, sample: str = "count", **labels: str) -> str:
    """A series of the stages' histogram as the service writes it."""
    inside = ",".join(
        f'{key}="{value}"' for key, value in sorted({"stage": name, **labels}.items())
    )
    return f"risk_pipeline_stage_seconds_{sample}{{{inside}}}"


def shown(telemetry: Telemetry) -> dict[str, float]:
    lines = telemetry.exposition().decode().splitlines()
    pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in pairs}


def test_what_begins_to_fire_is_timed_from_its_evaluation_to_the_closed_gate(
    receivers: Any, words: Any
) -> None:
    assert receivers.metric(stage("breach_to_gate")) == 0
    began = datetime.now(UTC) - timedelta(seconds=1)
    receivers.send("alerts", [words.alert(starts=began), words.kill_alert(starts=began)])
    for name, times in (
        ("evaluation_to_receipt", 2),
        ("receipt_to_record", 2),
        ("breach_to_gate", 1),  # the warning asks for nothing
    ):
        assert receivers.metric(stage(name)) == times, name
    assert 1 <= receivers.metric(stage("breach_to_gate", "sum")) < 20
    promised = Objectives().breach_to_gate_seconds
    assert receivers.metric(stage("breach_to_gate", "bucket", le=f"{promised:.1f}")) is not None

    receivers.send("alerts", [words.alert(starts=began), words.kill_alert(starts=began)])
    receivers.send("notifications", words.webhook(words.alert(risk_id="drawdown/other")))
    assert receivers.metric(stage("evaluation_to_receipt")) == 2, "neither repeats nor hearsay"


def test_people_are_reached_when_a_channel_that_they_notice_confirms_what_is_critical() -> None:
    telemetry = Telemetry(latencies.bounds(Objectives()))
    latencies.expect(telemetry)
    due = datetime.now(UTC) - timedelta(seconds=1)

    def told(channel: str, severity: Severity, kind: Kind = Kind.FIRING) -> None:
        message = Message(
            "drawdown/main:critical:1", kind, severity, "DRAWDOWN", "", due, 1,
            starts_at=due - timedelta(seconds=2),
        )  # fmt: skip
        latencies.told(telemetry, channel, due, message)

    told("console", Severity.CRITICAL)
    told("slack", Severity.WARNING)
    told("slack", Severity.EMERGENCY, Kind.RESOLVED)
    assert shown(telemetry)[stage("breach_to_human")] == 0
    told("slack", Severity.CRITICAL)
    found = shown(telemetry)
    assert found[stage("breach_to_human")] == 1
    assert found[stage("breach_to_human", "bucket", le="2.5")] == 0
    assert found[stage("breach_to_human", "bucket", le="5.0")] == 1
    assert found['risk_message_delay_seconds_count{channel="slack"}'] == 3
    assert found['risk_message_delay_seconds_bucket{channel="console",le="5.0"}'] == 1


def test_what_exceeds_every_bound_counts_and_clocks_that_disagree_take_no_negative_time() -> None:
    telemetry = Telemetry({m.ACK_DELAY: (1.0, 10.0)})
    for seconds in (0.5, 1.0, 1e6):
        telemetry.measure(m.ACK_DELAY, "critical", seconds=seconds)
    found = shown(telemetry)
    named = 'risk_acknowledgement_delay_seconds_bucket{le="%s",severity="critical"}'
    assert [found[named % bound] for bound in ("1.0", "10.0", "+Inf")] == [2, 2, 3]

    later = datetime.now(UTC) + timedelta(hours=1)
    message = Message("x", Kind.FIRING, Severity.DEBUG, "", "", later, 1)
    latencies.told(telemetry, "file", later, message)
    assert shown(telemetry)['risk_message_delay_seconds_sum{channel="file"}'] == 0
