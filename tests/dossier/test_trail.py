"""What the chain holds of one incident: all of it, nothing else, and whether it is true."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from incident_chain import INCIDENT, KILL, IncidentChain, at, emergency, gather

from risk_policy.contracts.audit import EventType
from risk_receivers.audit.errors import UnrecordableError
from riskwarden.dossier.listing import incidents
from riskwarden.dossier.trail import split_incident

E = EventType
OTHER_KILL = "9f9f9f9f-0000-4c62-b9b5-5f8d3c9ad002"


def types(chain: IncidentChain, incident: str = INCIDENT) -> list[str]:
    return [record.event_type for record in gather(chain.rows, incident).records]


def test_an_incident_is_told_from_its_beginning_to_its_end() -> None:
    trail = gather(emergency().rows, INCIDENT)
    assert [record.seq for record in trail.records] == list(range(2, 13))
    assert trail.kills == (KILL,)
    assert trail.verification.ok
    assert trail.verification.events == 12
    assert trail.recorded_until == at(600)
    assert trail.pruned == 0


def test_what_is_about_another_is_left_out_however_alike_it_is() -> None:
    chain = emergency()
    chain.created(700, "drawdown/main:emergency:11")
    chain.created(700, "drawdown/main:emergency:2")
    chain.killed(700, "drawdown/main:emergency:2", OTHER_KILL)
    chain.reported(E.KILL_SWITCH_FLAT_CONFIRMED, 701, reported=701, kill_id=OTHER_KILL)
    chain.sent(702, "slack", "drawdown/main:emergency:2")
    chain.acked(703, ["emergency"])
    assert len(types(chain)) == 11
    assert types(chain, "drawdown/main:emergency:2") == [
        "ALERT_CREATED", "KILL_SWITCH_ACTIVATED", "KILL_SWITCH_FLAT_CONFIRMED",
        "NOTIFICATION_SENT", "ALERT_ACKNOWLEDGED",
    ]  # fmt: skip
    assert types(chain, "drawdown/main:emergency:11") == ["ALERT_CREATED", "ALERT_ACKNOWLEDGED"]


def test_an_acknowledgement_counts_for_the_tiers_it_covers_while_the_incident_is_open() -> None:
    chain = IncidentChain()
    chain.acked(0, ["emergency"])
    chain.created(1)
    chain.acked(2, ["warning"])
    chain.acked(3, ["warning", "emergency"])
    chain.change(E.ALERT_EXPIRED, 4)
    chain.acked(5, ["emergency"])
    chain.change(E.ALERT_CONTINUED, 6)
    chain.acked(7, ["emergency"], E.ALERT_ACK_ENDED)
    assert types(chain) == [
        "ALERT_CREATED", "ALERT_ACKNOWLEDGED", "ALERT_EXPIRED", "ALERT_CONTINUED",
        "ALERT_ACK_ENDED",
    ]  # fmt: skip


def test_orders_that_a_kill_refused_are_its_own_until_it_is_cleared() -> None:
    chain = IncidentChain()
    chain.created(0)
    chain.reported(E.TRADE_BLOCKED, 1, reported=1, symbol="BEFORE")
    chain.killed(2)
    chain.reported(E.TRADE_BLOCKED, 3, reported=3, symbol="DURING")
    chain.reported(E.TRADE_BLOCKED, 3, reported=1.9, symbol="TOLD LATE")
    chain.add(
        E.TRADE_BLOCKED, 3, message="order refused: buy 1 IBM at 2: kill switch tripped",
        details={"symbol": "CLOCK BEHIND", "reported_at": at(1.9).isoformat()},
    )  # fmt: skip
    chain.reported(E.TRADE_BLOCKED, 3, reported=3, symbol="LIMIT", limit="order_max_pct")
    chain.add(E.KILL_SWITCH_CLEARED, 4, details={"kill_id": KILL})
    chain.reported(E.TRADE_BLOCKED, 5, reported=5, symbol="AFTER")
    found = gather(chain.rows, INCIDENT).of(E.TRADE_BLOCKED)
    assert [record.text("symbol") for record in found] == ["DURING", "CLOCK BEHIND"]


def test_what_was_told_in_a_digest_was_told() -> None:
    chain = IncidentChain()
    chain.created(0)
    chain.add(
        E.DIGEST_WRITTEN, 1, details={"incidents": [{"incident": INCIDENT}, {"incident": "x"}]}
    )
    chain.add(E.DIGEST_WRITTEN, 2, details={"incidents": [{"incident": f"{INCIDENT}0"}]})
    chain.sent(3, "slack", "digest:2")
    chain.sent(4, "slack", "digest:3")
    assert [record.seq for record in gather(chain.rows, INCIDENT).records] == [1, 2, 4]


def test_a_changed_record_is_shown_with_what_is_wrong_with_it() -> None:
    rows = emergency().rows
    payload = rows[5].payload
    assert isinstance(payload, bytes)
    rows[5] = rows[5]._replace(payload=payload.replace(b"by the runtime", b"by the weather"))
    trail = gather(rows, INCIDENT)
    assert not trail.verification.ok
    (record,) = [one for one in trail.records if one.problems]
    assert record.seq == 6
    assert "the weather" in record.payload.message
    assert "not the one that the header's hash was made of" in record.problems[0]


def test_what_retention_has_emptied_within_the_incident_is_counted() -> None:
    rows = emergency().rows
    for number in (0, 4, 6):  # one of before, two of its time
        rows[number] = rows[number]._replace(salt=None, payload=None)
    trail = gather(rows, INCIDENT)
    assert trail.pruned == 2
    assert len(trail.records) == 9


def test_nothing_is_on_record_of_what_never_was() -> None:
    assert gather(emergency().rows, "drawdown/main:emergency:7").records == ()
    assert gather([], INCIDENT).recorded_until is None


@pytest.mark.parametrize("text", ["drawdown/main", "drawdown/main:emergency", ":x:1", "a:b:c", ""])
def test_what_is_no_incident_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no incident"):
        split_incident(text)


def test_an_incident_without_a_tier_and_one_with_colons_are_told_apart() -> None:
    assert split_incident("kill_switch:none:4") == ("kill_switch", "", "4")
    assert split_incident("a:b/c:d:warning:4") == ("a:b/c:d", "warning", "4")


@given(st.text(min_size=1).filter(lambda text: not text.isspace()))
def test_any_name_that_can_be_recorded_is_found_again(name: str) -> None:
    incident = f"position_loss/main/{name}:warning:1"
    chain = IncidentChain()
    try:
        chain.created(0, incident)
    except UnrecordableError:
        return
    assert [record.seq for record in gather(chain.rows, incident).records] == [1]


def test_the_list_says_what_became_of_each_incident() -> None:
    chain = emergency()
    chain.created(700, "drawdown/main:critical:1")
    chain.change(E.ALERT_EXPIRED, 800, "drawdown/main:critical:1")
    chain.add(E.ALERT_RESOLVED, 900, incident="gone/by:warning:1")  # its beginning is pruned
    latest, worst, first = incidents(chain.rows)
    assert (latest.id, latest.state, latest.ended_at) == (
        "drawdown/main:critical:1", "expired", at(800),
    )  # fmt: skip
    assert (worst.id, worst.state, worst.killed) == (INCIDENT, "resolved", True)
    assert (worst.alertname, worst.account, worst.severity) == (
        "DRAWDOWN_EMERGENCY", "main", "emergency",
    )  # fmt: skip
    assert (first.state, first.ended_at, first.killed) == ("open", None, False)
