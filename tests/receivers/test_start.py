"""The service starts completely or not at all, and says in one line why not."""

from __future__ import annotations

import os
import socket
import stat
from typing import Any

import pytest


def refusal(receivers: Any) -> str:
    process = receivers.process if receivers.process else receivers.spawn()
    assert process.wait(20) == 2, receivers.log
    lines = receivers.log.splitlines()
    assert len(lines) == 1, receivers.log
    return str(lines[0])


def test_a_policy_that_is_wrong_is_refused_with_its_problem(stopped: Any) -> None:
    stopped.policy.write_text("[alerting.gate]\nlease_seconds = 'long'\n")
    assert "alerting.gate.lease_seconds" in refusal(stopped)


def test_unset_tokens_are_all_named(stopped: Any) -> None:
    del stopped.environ["RISKWARDEN_OPERATOR_TOKEN"]
    del stopped.environ["RISKWARDEN_ALERT_FEED_TOKEN"]
    line = refusal(stopped)
    assert "RISKWARDEN_OPERATOR_TOKEN" in line
    assert "RISKWARDEN_ALERT_FEED_TOKEN" in line
    assert "secret" not in line


@pytest.mark.parametrize("url", ["http://hooks.example.com/very-secret", "very-secret", "https://"])
@pytest.mark.parametrize(
    ("table", "key", "variable"),
    [("slack", "webhook_url", "SLACK_WEBHOOK_URL"), ("webhook", "url", "WEBHOOK_URL")],
)
def test_a_url_that_would_carry_its_secret_in_the_open_is_refused_and_not_shown(
    stopped: Any, table: str, key: str, variable: str, url: str
) -> None:
    stopped.environ.update({variable: url, "WEBHOOK_HMAC_SECRET": "s"})
    stopped.policy.write_text(f"[alerting.channels.{table}]\nenabled = true\n")
    line = refusal(stopped)
    assert f"alerting.channels.{table}.{key}: what ${{{variable}}} holds must be an https" in line
    assert "very-secret" not in line


def test_alerting_that_is_switched_off_is_refused(stopped: Any) -> None:
    stopped.policy.write_text("[alerting]\nenabled = false\n")
    assert "alerting.enabled" in refusal(stopped)


def test_a_port_in_use_is_named(stopped: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        stopped.spawn(port=port)
        assert f"127.0.0.1:{port}" in refusal(stopped)


def test_a_database_that_is_none_is_named_and_left_alone(stopped: Any) -> None:
    stopped.database.parent.mkdir(parents=True)
    stopped.database.write_bytes(b"something else entirely" * 100)
    assert str(stopped.database) in refusal(stopped)
    assert stopped.database.read_bytes().startswith(b"something else")


def test_a_second_service_on_the_same_folder_is_refused(receivers: Any) -> None:
    first = receivers.process
    try:
        second = receivers.spawn()
        assert second.wait(20) == 2
        assert "another receivers service publishes this gate" in receivers.log
        assert first.poll() is None
    finally:
        first.kill()
        first.wait(20)


def test_what_it_keeps_is_nobody_elses_but_for_the_gate(stopped: Any, words: Any) -> None:
    before = os.umask(0)
    try:
        receivers = stopped.start()
    finally:
        os.umask(before)
    receivers.send("alerts", [words.kill_alert()])
    gate = receivers.data / "gate"
    assert stat.S_IMODE(receivers.data.stat().st_mode) == 0o710
    assert stat.S_IMODE(gate.stat().st_mode) == 0o750
    for path in receivers.data.rglob("*"):
        if path.name.startswith(".gate.json"):
            continue  # a spare, which is made and becomes the gate's while this looks
        mode = stat.S_IMODE(path.stat().st_mode)
        if path in (gate / "gate.json", gate / "gate.lease", gate / "HALTED"):
            assert mode == 0o640, path
        elif path != gate:
            assert mode == (0o700 if path.is_dir() else 0o600), path


def test_every_start_and_every_change_of_policy_is_on_record(stopped: Any) -> None:
    stopped.start().stop()
    stopped.start().stop()
    text = stopped.policy.read_text()
    stopped.policy.write_text(text + "# a comment is a change too\n")
    stopped.start().stop()
    began = ["SERVICE_STARTED", "SIGNING_BEGAN"]
    assert stopped.event_types() == [*began, *["SERVICE_STARTED"] * 2, "CONFIG_CHANGED"]
    details = stopped.chain()[-1].payload.details
    assert details["before"] != details["after"]
    assert len(details["before"]) == 64
    assert stopped.verified().ok
