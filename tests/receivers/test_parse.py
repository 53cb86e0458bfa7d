"""What the feeds carry becomes typed alerts, and nothing that arrives is lost."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_policy.vocabulary import Severity
from risk_receivers.intake.alert import Batch, Feed
from risk_receivers.intake.parse import MOST_PIECES, Parser
from risk_receivers.intake.salvage import elements

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def parser() -> Parser:
    """A new one: a parser learns from what it reads how far the sender's clock is off."""
    return Parser(Severity.CRITICAL, lease_seconds=60)


def alert(**changes: Any) -> dict[str, Any]:
    labels = {"alertname": "A", "risk_id": "a/main", "tier": "warning", "severity": "warning"}
    return {
        "labels": labels,
        "annotations": {},
        "startsAt": "2026-01-02T03:04:00.123456789Z",
        "endsAt": "2026-01-02T03:04:17Z",
        **changes,
    }


def parse(content: object, feed: Feed = Feed.ALERTS) -> Batch:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return parser().parse(feed, body, NOW)


def hook(*alerts: object, version: str = "4") -> dict[str, Any]:
    return {"version": version, "status": "firing", "alerts": list(alerts)}


def test_an_alert_of_prometheus_fires_until_its_end_has_passed() -> None:
    later, earlier = "2026-01-02T03:04:05.000001Z", "2026-01-02T03:04:05Z"
    assert parse([alert(endsAt=later)]).alerts[0].firing
    assert not parse([alert(endsAt=earlier)]).alerts[0].firing
    assert parse([alert(endsAt="0001-01-01T00:00:00Z")]).alerts[0].firing


def test_times_keep_their_microseconds_and_become_utc() -> None:
    (found,) = parse([alert(startsAt="2026-01-02T04:04:00.5+01:00")]).alerts
    assert found.starts_at == datetime(2026, 1, 2, 3, 4, 0, 500_000, tzinfo=UTC)
    assert found.starts_at.utcoffset() == timedelta(0)


def test_an_alert_of_alertmanager_says_itself_whether_it_fires() -> None:
    ended = "2026-01-02T03:04:01Z"
    batch = parse(
        hook(alert(status="firing", endsAt=ended), alert(status="resolved", endsAt=ended)),
        Feed.NOTIFICATIONS,
    )
    assert [found.firing for found in batch.alerts] == [True, False]


def test_alerts_that_are_not_ours_are_counted_and_left_alone() -> None:
    batch = parse([alert(labels={"alertname": "Other"}), alert(labels={}), alert()])
    assert (len(batch.alerts), batch.ignored) == (1, 2)


def test_the_watchdog_is_a_heartbeat_and_no_alert() -> None:
    batch = parse([alert(labels={"alertname": "Watchdog", "risk_id": "watchdog"})])
    assert batch.watchdog
    assert batch.is_empty


def test_a_resolved_watchdog_is_no_heartbeat() -> None:
    dead = alert(labels={"alertname": "Watchdog"}, endsAt="2026-01-02T03:00:00Z")
    assert not parse([dead]).watchdog


def test_an_unknown_severity_counts_as_the_policys_default() -> None:
    labels = {**alert()["labels"], "severity": "catastrophic"}
    assert parse([alert(labels=labels)]).alerts[0].severity is Severity.CRITICAL


@pytest.mark.parametrize("action", ["kill_switch", "close_all"])
def test_an_alert_trips_by_its_action(action: str) -> None:
    labels = {**alert()["labels"], "action": action}
    assert parse([alert(labels=labels)]).tripping
    assert parse([alert(labels=labels, endsAt="2026-01-02T03:04:00Z")]).tripping, "it did fire"


@pytest.mark.parametrize(
    "broken",
    [
        "3",
        "null",
        '{"labels": null}',
        '{"labels": {"alertname": 3}}',
        '{"labels": {"alertname": "A", "risk_id": NaN}}',
        '{"labels": {"alertname": "A", "risk_id": "x"}, "startsAt": "yesterday"}',
        '{"labels": {"alertname": "A", "risk_id": "x"}, "startsAt": "2026-01-01T00:00:00"}',
        '{"labels": {"alertname": "A", "risk_id": "x\\ud800"}}',
        '{"labels": {"alertname": "A", "risk_id": "x"}, "more": ' + "[" * 5000 + "]" * 5000 + "}",
        '{"labels": {"alertname": "A", "risk_id": "},]{[\\""}, "endsAt": 5}',
    ],
)
@pytest.mark.parametrize("feed", list(Feed))
def test_a_malformed_alert_never_costs_its_neighbours(broken: str, feed: Feed) -> None:
    good = json.dumps(alert(status="firing"))
    text = f"[{good}, {broken}, {good}]"
    if feed is Feed.NOTIFICATIONS:
        text = f'{{"version": "4", "alerts": {text}}}'
    batch = parse(text.encode(), feed)
    assert len(batch.alerts) == 2
    assert broken.encode() in {malformed.raw for malformed in batch.malformed}


@pytest.mark.parametrize(
    "body",
    [
        "[{good}}}, {good}]",
        "[{good}], {good}]",
        '[{{"labels": {{"alertname": "A"}}, {good}, {good}]',
        '[{{"labels": {{"alertname": "A}}}}, {good}, {good}]',
        '[{{"labels": {{"alertname": "A\\"}}}}, {good}, {good}]',
        '["open, {good}, {good}]',
        "[{good}{good}]",
        "[{good}] [{good}]",
        "\ufeff[{good}, {good}]",
        "{good}, {good}]",
    ],
)
@pytest.mark.parametrize("feed", list(Feed))
def test_a_bracket_or_a_quotation_mark_too_many_or_too_few_costs_no_neighbour(
    body: str, feed: Feed
) -> None:
    odd = {"description": 'one, "alerts": [{, two'}
    text = body.format(good=json.dumps(alert(status="firing", annotations=odd)))
    text = "b/main".join(text.rsplit("a/main", 1))
    if feed is Feed.NOTIFICATIONS:
        text = f'{{"version": "4", "alerts": {text}, "status": "firing"}}'
    batch = parse(text.encode(), feed)
    assert len(batch.alerts) == 2
    assert any(malformed.raw == text.encode() for malformed in batch.malformed)


def test_a_webhook_with_two_lists_of_alerts_is_read_whole_and_complained_of() -> None:
    good = json.dumps([alert(status="firing")])
    batch = parse(
        f'{{"version": "4", "alerts": {good}, "alerts": {good}}}'.encode(), Feed.NOTIFICATIONS
    )
    assert len(batch.alerts) == 2
    assert "more than one list" in batch.malformed[0].reason


def test_json_that_is_no_list_of_alerts_is_not_searched_for_them() -> None:
    assert not parse({"other": alert(status="firing")}, Feed.ALERTS).alerts


@pytest.mark.parametrize(
    "unit", ['{"labels":{', '{"status":"', '{"a":"b",', '{"', '"alerts":[', "{"]
)
@pytest.mark.parametrize("feed", list(Feed))
def test_what_begins_a_ten_thousand_times_is_read_once(unit: str, feed: Feed) -> None:
    began = time.process_time()
    assert not parse(f"[{unit * 10_000}".encode(), feed).alerts
    assert time.process_time() - began < 3, "it is far more if each were read to the end"


def test_an_over_long_identity_is_cut_and_stays_one_of_a_kind() -> None:
    def found(end: str) -> Any:
        name = "x" * 20_000 + end
        names = {**alert()["labels"], "risk_id": name, "tier": name, "escalation": name}
        return parse([alert(labels=names)]).alerts[0]

    one, other = found("a"), found("b")
    assert one.risk_id == found("a").risk_id != other.risk_id
    assert one.labels["risk_id"].endswith("a"), "what was said is on record whole"
    keys = [(each.risk_id, each.tier, each.escalation) for each in (one, other)]
    # What an index of PostgreSQL takes.
    assert all(len("".join(key)) * 4 < 2704 for key in keys)


def test_bytes_that_are_no_utf8_cost_only_their_own_alert() -> None:
    good = json.dumps(alert()).encode()
    batch = parse(b"[" + good + b',{"labels":{"alertname":"\xff\xfe"}},' + good + b"]")
    assert len(batch.alerts) == 2
    assert any(b"\xff\xfe" in malformed.raw for malformed in batch.malformed)


def test_a_truncated_body_keeps_the_alerts_before_the_cut() -> None:
    body = json.dumps([alert(), alert(), alert()]).encode()
    batch = parse(body[: len(body) - 30])
    assert len(batch.alerts) == 2
    assert batch.malformed


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b'"x"', b"{", b"\x00", b"[[["])
@pytest.mark.parametrize("feed", list(Feed))
def test_a_body_that_is_no_list_of_alerts_is_kept_whole(body: bytes, feed: Feed) -> None:
    batch = parse(body, feed)
    assert not batch.alerts
    assert body in {malformed.raw for malformed in batch.malformed}


def test_an_empty_list_is_nothing_at_all() -> None:
    assert parse([]) == Batch(Feed.ALERTS)


def test_another_webhook_version_is_kept_aside_and_still_read() -> None:
    batch = parse(hook(alert(status="firing"), version="5"), Feed.NOTIFICATIONS)
    assert len(batch.alerts) == 1
    assert "'5' instead of '4'" in batch.malformed[0].reason


def test_a_notification_without_a_known_status_is_kept_aside() -> None:
    batch = parse(hook(alert(status="suppressed"), alert()), Feed.NOTIFICATIONS)
    assert not batch.alerts
    assert len(batch.malformed) == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(json_values, max_size=6))
def test_an_array_is_cut_where_json_would_cut_it(values: list[object]) -> None:
    text = json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogatepass")
    assert [json.loads(piece) for piece in elements(text)] == values


@given(st.binary(max_size=200), st.sampled_from(list(Feed)))
def test_no_bytes_whatever_make_it_fail(body: bytes, feed: Feed) -> None:
    batch = parse(body, feed)
    assert batch.alerts or batch.malformed or batch.ignored or json.loads(body) in ([], {})


def test_the_first_malformed_pieces_are_kept_and_the_others_counted_in_the_body() -> None:
    body = json.dumps([*range(50), alert(), *range(50)]).encode()
    batch = parse(body)
    assert len(batch.alerts) == 1
    assert batch.more_malformed == 80
    whole, *kept = batch.malformed
    assert whole.raw == body
    assert "80 more malformed pieces" in whole.reason
    assert [piece.raw for piece in kept] == [b"%d" % number for number in range(20)]


def test_what_asks_for_an_action_is_not_crowded_out() -> None:
    odd = alert(labels={"alertname": "A", "risk_id": "a/main", "action": "explode"})
    batch = parse([*range(100), odd])
    assert [piece.asks for piece in batch.malformed].count(True) == 1
    assert len(batch.alerts) == 1


def test_a_body_is_one_piece_of_evidence_whatever_is_wrong_with_it() -> None:
    body = json.dumps([*range(50)]).encode()[:-3]
    batch = parser().parse(Feed.ALERTS, body, NOW, "the body exceeds 1 MiB")
    whole = [piece.reason for piece in batch.malformed if piece.raw == body]
    assert len(whole) == 1
    for part in ("29 more", "exceeds 1 MiB", "no list"):
        assert part in whole[0]


@pytest.mark.parametrize("feed", list(Feed))
def test_more_pieces_than_any_sender_has_to_say_are_left_out_and_named(feed: Feed) -> None:
    pieces = b",".join([json.dumps(alert(status="firing")).encode(), *[b"{}"] * 300_000])
    body = b"[" + pieces + b"]"
    if feed is Feed.NOTIFICATIONS:
        body = b'{"version": "4", "alerts": ' + body + b"}"
    batch = parse(body, feed)
    assert len(batch.alerts) == 1
    assert str(MOST_PIECES) in batch.left_out
    assert len(batch.malformed) == 1 + 20
    assert batch.more_malformed == MOST_PIECES - 21
