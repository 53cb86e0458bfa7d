"""Whoever comes without the right token is on record, and cannot fill the record by it."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from writers import started

from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.query import StoredEvent, events
from risk_receivers.refusals import MOST_ADDRESSES, MOST_PATHS, OTHER_PATHS, OTHERS, Refusals
from risk_receivers.telemetry import Telemetry


def recorded(receivers: Any) -> list[dict[str, Any]]:
    return [e.payload.details for e in receivers.chain() if e.event_type == "ACCESS_REFUSED"]


def details_of(event: StoredEvent) -> Mapping[str, JsonValue]:
    assert event.payload is not None
    return event.payload.details


def test_a_wrong_token_is_on_record_at_once_and_many_are_one_number(
    receivers: Any, wait_until: Callable[..., Any]
) -> None:
    assert receivers.call("POST", "/api/v1/kill", token="guess", json={}).status_code == 401
    wait_until(lambda: recorded(receivers))
    (first,) = recorded(receivers)
    assert (first["address"], first["count"]) == ("127.0.0.1", 1)
    assert first["paths"] == ["/api/v1/kill"]
    for number in range(50):
        assert receivers.call("POST", "/api/v1/kill", token=f"guess {number}").status_code == 401
        assert receivers.call("POST", "/api/v1/runtime/reports", token="").status_code == 401
    assert receivers.stop() == 0
    _, rest = recorded(receivers)
    assert rest["count"] == 100
    assert rest["paths"] == ["/api/v1/kill", "/api/v1/runtime/reports"]
    assert first["first_at"] <= first["last_at"] <= rest["first_at"] <= rest["last_at"]
    assert receivers.verified().ok
    whole = receivers.database.read_bytes()
    assert b"guess" not in whole, "what was tried may be nearly right"


def test_what_was_counted_is_on_record_when_its_time_has_come(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    writer = started(tmp_path / "audit.db")
    refusals = Refusals(writer, Telemetry(), pause_seconds=0.5)
    refusals.start()

    def found() -> list[tuple[str, int]]:
        details = [details_of(e) for e in events(tmp_path / "audit.db", 0, 1000)]
        return [(str(each["address"]), int(str(each["count"]))) for each in details]

    try:
        refusals.note("a", "/")
        wait_until(lambda: found() == [("a", 1)])
        for _ in range(7):
            refusals.note("a", "/")
        wait_until(lambda: sum(count for _, count in found()) == 8)
        # A busy machine may need longer than the pause for its looks: then the next is news again.
        assert len(found()) in (2, 3)
    finally:
        refusals.stop()
        writer.stop()


def test_many_addresses_are_as_few_records_as_some(tmp_path: Path) -> None:
    writer = started(tmp_path / "audit.db")
    refusals = Refusals(writer, Telemetry())
    for number in range(5000):
        refusals.note(f"2001:db8::{number:x}", "/")
    refusals.stop()
    writer.stop()
    details = [details_of(e) for e in events(tmp_path / "audit.db", 0, 10_000)]
    assert len(details) == MOST_ADDRESSES + 1
    assert sum(int(str(each["count"])) for each in details) == 5000
    assert details[-1]["address"] == OTHERS


def test_whoever_makes_paths_up_fills_no_record_with_them(tmp_path: Path) -> None:
    writer = started(tmp_path / "audit.db")
    refusals = Refusals(writer, Telemetry())
    secret = f"rw_{'0a' * 6}_{'1b' * 32}"
    refusals.note("a", f"/api/v1/tokens/{secret}")  # whoever took the token for its name
    refusals.note("a", f"/api/v1/restrictions/{'x' * 50_000}/resume")
    for number in range(3000):
        refusals.note("a", f"/api/v1/restrictions/r{number}/resume")
    refusals.stop()
    writer.stop()
    (event,) = events(tmp_path / "audit.db", 0, 10)
    details = details_of(event)
    assert details["count"] == 3002
    paths = details["paths"]
    assert isinstance(paths, list)
    assert len(paths) == MOST_PATHS + 1
    assert paths[-1] == OTHER_PATHS
    assert paths[0] == f"/api/v1/tokens/rw_{'0a' * 6}_***"
    assert max(len(str(path)) for path in paths) < 250


def test_a_store_that_hangs_keeps_no_refusal_from_being_given(receivers: Any) -> None:
    lock = receivers.database.with_name(f"{receivers.database.name}.lock")
    with lock.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        for _ in range(20):
            answer = receivers.call("POST", "/api/v1/kill", token="guess")
            assert answer.status_code == 401


def test_from_where_somebody_came_is_nothing_that_they_say(receivers: Any) -> None:
    for method, path in (("POST", "/api/v1/kill"), ("GET", "/api/v1/system/status")):
        for said in ("10.1.2.3", "no address at all"):
            answer = receivers.client.request(
                method, receivers.url + path, headers={"X-Forwarded-For": said}
            )
            assert answer.status_code == 401
    assert receivers.stop() == 0
    assert {each["address"] for each in recorded(receivers)} == {"127.0.0.1"}
