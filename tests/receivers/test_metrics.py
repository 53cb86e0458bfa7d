"""What rules watch about the service: there from the start, and moved by what really happens."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time
from typing import Any

import pytest
from typer.testing import CliRunner

from risk_policy.disk import free_ratio
from risk_receivers.audit.merkle import Tree
from riskwarden.app import application

INTACT = "risk_audit_chain_intact"
AUTH_FAILED = 'risk_security_events_total{kind="auth_failed"}'
UNEXPECTED = 'risk_unexpected_errors_total{component="receivers"}'
DISK = 'risk_disk_free_ratio{component="receivers"}'


def tamper(receivers: Any, *statements: str) -> None:
    """Change the store behind the service's back."""
    with closing(sqlite3.connect(receivers.database)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def scraped(receivers: Any) -> dict[str, float]:
    text = receivers.client.get(f"{receivers.url}/metrics").text
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def quietly(receivers: Any) -> Any:
    """The service again, with most of a minute between two looks at its chain."""
    receivers.stop()
    rarely = receivers.policy.read_text().replace(
        "evaluation_interval_seconds = 0.2", "evaluation_interval_seconds = 50"
    )
    receivers.policy.write_text(rarely)
    return receivers.start()


def test_everything_that_rules_watch_is_there_before_anything_happens(receivers: Any) -> None:
    found = scraped(receivers)
    expected = {
        "risk_kill_switch_armed": 1,
        INTACT: 1,
        UNEXPECTED: 0,
        AUTH_FAILED: 0,
        **{f'risk_messages_dead{{channel="{name}"}}': 0 for name in ("console", "file")},
        **{
            f'risk_messages_total{{channel="{name}",outcome="{outcome}"}}': 0
            for name in ("console", "file")
            for outcome in ("sent", "deferred", "failed")
        },
        **{
            f'risk_incident_escalations_total{{escalation="{why}"}}': 0
            for why in ("none", "time", "frequency", "trend")
        },
    }
    assert {name: found.get(name) for name in expected} == expected
    assert not [name for name in found if name.startswith("risk_ack_until_seconds")]


@pytest.mark.parametrize(
    ("path", "token"),
    [
        ("/api/v2/alerts", "guessed"),
        ("/api/v2/alerts", "notification-feed-secret"),
        ("/api/v1/notifications", "alert-feed-secret"),
        ("/api/v1/kill", "guessed"),
        ("/api/v1/runtime/reports", "operator-secret"),
        ("/api/v1/kill", ""),
    ],
)
def test_a_wrong_token_is_counted_wherever_it_is_tried(shared: Any, path: str, token: str) -> None:
    before = shared.metric(AUTH_FAILED)
    assert shared.call("POST", path, token=token, json=[]).status_code in (401, 403)
    assert shared.metric(AUTH_FAILED) == before + 1
    assert "from 127.0.0.1" in shared.log
    assert not token or token not in shared.log


def test_the_right_token_is_not_counted(shared: Any, words: Any) -> None:
    before = shared.metric(AUTH_FAILED)
    shared.status()
    shared.send("alerts", [])
    shared.send("notifications", words.webhook())
    assert shared.metric(AUTH_FAILED) == before


def test_whoever_hammers_does_not_fill_the_log(
    receivers: Any, wait_until: Callable[..., Any]
) -> None:
    for _ in range(20):
        receivers.call("GET", "/api/v1/system/status", token="guessed")
    assert receivers.metric(AUTH_FAILED) == 20
    wait_until(
        lambda: receivers.log.count("a wrong token") == 5, what="the 1st, 2nd, 4th, 8th and 16th"
    )


def test_the_head_in_words_is_the_head_and_fits_the_size_beside_it(
    receivers: Any, words: Any
) -> None:
    seen = set()
    for number in range(3):
        receivers.send("alerts", [words.alert(risk_id=f"drawdown/{number}")])
        found = scraped(receivers)
        values = [found[f'risk_audit_chain_head_word{{word="{n}"}}'] for n in range(5)]
        assert all(value == int(value) < 2**52 for value in values)
        root = sum(int(value) << 52 * n for n, value in enumerate(values))
        tree = Tree()
        size = found["risk_audit_chain_size"]
        tree.extend(bytes.fromhex(one.checksum) for one in receivers.chain() if one.seq <= size)
        assert (size, root) == (tree.size, int.from_bytes(tree.root))
        seen.add(root)
    assert len(seen) == 3


@pytest.mark.parametrize(
    "statements",
    [
        ["UPDATE audit_payload SET payload = CAST(replace(payload, 'down', 'town') AS BLOB)"],
        ["UPDATE audit_header SET checksum = zeroblob(32) WHERE seq = 3"],
        ["DELETE FROM audit_payload WHERE seq = 2", "DELETE FROM audit_header WHERE seq = 2"],
        ["DELETE FROM audit_payload WHERE seq > 4", "DELETE FROM audit_header WHERE seq > 4"],
        ["UPDATE audit_payload SET salt = zeroblob(16) WHERE seq = 1"],
    ],
    ids=["payload changed", "checksum changed", "record removed", "end cut off", "salt changed"],
)
def test_a_tampered_store_is_noticed_and_never_good_again(
    receivers: Any, words: Any, wait_until: Callable[..., Any], statements: Sequence[str]
) -> None:
    receivers.send("alerts", [words.alert(risk_id=f"drawdown/{n}") for n in range(6)])
    before = receivers.database.with_suffix(".before")
    with closing(sqlite3.connect(receivers.database)) as source:
        source.execute("VACUUM INTO ?", (str(before),))
    assert receivers.metric(INTACT) == 1
    tamper(receivers, *statements)
    wait_until(lambda: receivers.metric(INTACT) == 0, what="the damage is noticed")
    wait_until(lambda: receivers.log.count("the audit chain is not what was written"))
    tamper(
        receivers,
        f"ATTACH '{before}' AS kept",
        "DELETE FROM audit_payload",
        "DELETE FROM audit_header",
        "INSERT INTO audit_header SELECT * FROM kept.audit_header",
        "INSERT INTO audit_payload SELECT * FROM kept.audit_payload",
    )
    assert receivers.verified().ok
    assert receivers.metric(INTACT) == 0, "changed back is still changed"


def test_damage_far_from_the_end_of_a_long_chain_is_found(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    for begin in range(0, 900, 300):
        many = [words.alert(risk_id=f"drawdown/{begin + n}") for n in range(300)]
        assert receivers.send("alerts", many).status_code == 200
    assert receivers.metric("risk_audit_chain_size") > 900
    tamper(receivers, "UPDATE audit_payload SET salt = zeroblob(16) WHERE seq = 350")
    wait_until(lambda: receivers.metric(INTACT) == 0, 30, "the damage is noticed")
    wait_until(lambda: "record 350" in receivers.log)


def test_damage_that_a_reader_meets_is_noticed_at_once(receivers: Any, words: Any) -> None:
    receivers.send("alerts", [words.alert()])
    quietly(receivers)
    receivers.send("alerts", [words.alert(risk_id=f"drawdown/{n}") for n in range(6)])
    assert receivers.call("GET", "/api/v1/audit").status_code == 200
    tamper(receivers, "UPDATE audit_payload SET salt = zeroblob(16) WHERE seq = 5")
    assert receivers.metric(INTACT) == 1
    assert receivers.status()["audit"]["damage"] is None
    for _ in range(2):
        answer = receivers.call("GET", "/api/v1/audit")
        assert answer.status_code == 500, "nothing mends it, so nobody is told to try again"
        assert answer.json()["record"] == 5
        assert "record 5: the payload is not the one" in answer.json()["detail"]
        assert "try again" not in answer.json()["detail"]
        assert "audit verify" in answer.json()["detail"]
    beyond = receivers.call("GET", "/api/v1/audit", params={"after_seq": 5}).json()["events"]
    assert [event["header"]["seq"] for event in beyond][:2] == [6, 7]
    assert receivers.metric(INTACT) == 0
    told = receivers.status()["audit"]
    assert told["intact"] is False
    assert told["damage"].startswith("record 5: ")
    asked = ["status", "--receivers", receivers.url]
    shown = CliRunner().invoke(application(asked), asked, env=receivers.environ)
    assert "NOT INTACT: record 5: the payload is not the one" in shown.stdout


def test_a_store_that_holds_nonsense_is_an_error_nobody_planned_for(
    receivers: Any, words: Any
) -> None:
    receivers.send("alerts", [words.alert()])
    tamper(receivers, "UPDATE incident SET state = 'ON HOLIDAY'")
    assert receivers.send("alerts", [words.alert()]).status_code == 503
    assert receivers.metric(UNEXPECTED) == 1


def test_whoever_asks_sees_nothing_of_the_inside_when_a_mistake_is_made(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    receivers.send("alerts", [words.alert()])
    tamper(receivers, "UPDATE incident SET labels = 'ON HOLIDAY'")
    before = receivers.metric(UNEXPECTED)
    answer = receivers.call("GET", "/api/v1/alerts")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "a mistake in the service; see its log"
    for inside in ("Traceback", "JSONDecodeError", "ON HOLIDAY", ".py", "risk_receivers"):
        assert inside not in answer.text
    wait_until(lambda: "JSONDecodeError" in receivers.log, what="whoever runs it sees all of it")
    assert receivers.metric(UNEXPECTED) > before


def test_a_worker_that_makes_a_mistake_says_so_and_goes_on_once_that_is_over(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    def reasons() -> Any:
        return receivers.call("GET", "/readyz", token="").json().get("reasons", [])

    soon = datetime.now(UTC) + timedelta(seconds=0.5)
    receivers.send("alerts", [words.alert(ends=soon)])
    tamper(receivers, "UPDATE incident SET state = 'ON HOLIDAY'")
    wait_until(lambda: receivers.metric(UNEXPECTED) > 0, what="the mistake is counted")
    (reason,) = wait_until(reasons)
    assert reason.startswith("worker clock fails with ValueError, and tries again")
    tamper(receivers, "UPDATE incident SET state = 'CREATED'")
    wait_until(lambda: reasons() == [], what="the worker works again")
    wait_until(
        lambda: receivers.rows("SELECT state FROM incident") == [("EXPIRED",)], what="it expires"
    )


def test_it_shows_what_the_tables_hold_and_when_they_were_pruned(
    shared: Any, wait_until: Callable[..., Any]
) -> None:
    pruned = wait_until(lambda: shared.metric("risk_store_pruned_time_seconds"))
    assert pruned <= time()
    assert shared.metric('risk_store_rows{table="incident"}') is not None


def test_the_clock_is_that_of_the_moment_it_is_read(shared: Any) -> None:
    before = time()
    shown = shared.metric("risk_receivers_time_seconds")
    assert before - 0.001 <= shown <= time() + 0.001


def test_the_free_disk_is_what_an_ordinary_process_may_fill_as_the_exporter_has_it(
    receivers: Any,
) -> None:
    def free() -> float:
        disk = os.statvfs(receivers.data)
        return disk.f_bavail / (disk.f_blocks - disk.f_bfree + disk.f_bavail)

    least, shown, most = free(), receivers.metric(DISK), free()
    slack = 0.01  # others write to the same disk
    assert min(least, most) - slack <= shown <= max(least, most) + slack


def test_the_disk_of_a_store_that_has_one_of_its_own_counts_too(
    receivers: Any, tmp_path: Path
) -> None:
    def free(folder: Path) -> float:
        return free_ratio(folder) or 0.0

    receivers.stop()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        emptier, fuller = sorted((Path(memory), tmp_path), key=free, reverse=True)
        if free(emptier) - free(fuller) < 0.1:
            pytest.skip("two disks that are full to the same degree")
        receivers.data = emptier
        store = f'[alerting.audit]\ndatabase_path = "{fuller}/audit.db"\n'
        receivers.policy.write_text(receivers.policy.read_text() + store)
        receivers.start()
        assert receivers.metric(DISK) == pytest.approx(free(fuller), abs=0.01)
        receivers.stop()
