"""What happens for the first time is to be seen: a counter that begins at 1 has not grown."""

from __future__ import annotations

import pytest

from risk_policy.catalogue import metrics as m
from risk_policy.contracts.audit import EventType
from risk_receivers.intake.alert import Feed
from risk_receivers.telemetry import Telemetry


def test_every_type_of_event_is_counted_from_zero() -> None:
    text = Telemetry().exposition().decode()
    for kind in EventType:
        assert f'{m.AUDIT_RECORDED.name}{{event_type="{kind.value}"}} 0.0\n' in text


@pytest.mark.parametrize("feed", Feed)
@pytest.mark.parametrize("outcome", ["created", "escalated", "repeated", "resolved", "ignored"])
def test_alerts_of_both_feeds_are_counted_from_zero(feed: Feed, outcome: str) -> None:
    text = Telemetry().exposition().decode()
    assert outcome in m.FEED_ALERTS.help
    assert f'{m.FEED_ALERTS.name}{{feed="{feed.value}",outcome="{outcome}"}} 0.0\n' in text
