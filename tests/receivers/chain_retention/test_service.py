"""The receivers delete by themselves what is due, and say when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from chain_archive import DAY, Archive


def test_a_service_deletes_what_is_due_and_its_api_says_so(
    stopped: Any, wait_until: Callable[..., Any]
) -> None:
    now = datetime.now(UTC)
    stopped.database.parent.mkdir(parents=True)
    archive = Archive(stopped.database, begin=now - 100 * DAY)
    archive.add(count=60, message="somebody's secret")
    archive.come_to(now)
    archive.writer.stop()
    receivers = stopped.start()
    done = "risk_audit_retention_time_seconds"
    wait_until(lambda: (receivers.metric(done) or 0) >= now.timestamp(), what="all is deleted")
    assert receivers.metric("risk_audit_retention_stopped") == 0
    assert receivers.metric("risk_audit_chain_intact") == 1
    (told,) = [one for one in receivers.chain() if one.event_type == "RETENTION_APPLIED"]
    first = receivers.call("GET", "/api/v1/audit", params={"limit": 1}).json()["events"][0]
    assert (first["payload"], first["deleted_by"]) == (None, told.seq)
    assert receivers.verified().ok
    receivers.stop()
    folder = stopped.database.parent
    files = [path for path in folder.iterdir() if path.is_file()]
    assert not [path.name for path in files if b"somebody's secret" in path.read_bytes()]
