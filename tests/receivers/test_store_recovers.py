"""Once a store that could not be written can be again, the service takes it up again by itself."""

from __future__ import annotations

import contextlib
import resource
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from troubled_store import break_store, spooled

#: The service on a disk that answers one look of who waits for it with an error.
_FLAPPING = """
import errno, threading
from pathlib import Path
from risk_receivers.__main__ import main

is_dir, failed = Path.is_dir, []

def flapping(path):
    waits = threading.current_thread().name == "retreat"
    if waits and path.name.endswith(".chain") and not failed:
        failed.append(path)
        raise OSError(errno.EIO, "Input/output error")
    return is_dir(path)

Path.is_dir = flapping
raise SystemExit(main())
"""


def mend_store(receivers: Any) -> None:
    """Files may grow again."""
    hard = resource.prlimit(receivers.process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(receivers.process.pid, resource.RLIMIT_FSIZE, (hard, hard))


def readiness(receivers: Any) -> tuple[int, str]:
    with contextlib.suppress(httpx.TransportError):
        answer = receivers.call("GET", "/readyz", token="")
        return answer.status_code, answer.text
    return 0, ""


def test_once_there_is_room_again_alerts_are_taken_again_and_nothing_is_lost(
    stopped: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    receivers = stopped.start()
    wait_until(receivers.gate_is_open)
    before = [words.alert(risk_id=f"drawdown/{number}") for number in range(5)]
    assert receivers.send("alerts", before).status_code == 200
    break_store(receivers)
    late = words.alert(risk_id="drawdown/late")
    assert receivers.send("alerts", [late]).status_code == 503
    assert receivers.send("alerts", [words.kill_alert()]).status_code == 503
    assert receivers.gate_says_halt()
    code, said = readiness(receivers)
    assert code == 503
    assert "this service begins anew once it does" in said
    assert len(spooled(receivers)) == 1

    valid = receivers.policy.read_text()
    receivers.policy.write_text("[alerting")  # somebody is editing it
    mend_store(receivers)
    wait_until(
        lambda: "is not valid now; see riskwarden policy check" in readiness(receivers)[1],
        60,
        "it says why it does not begin anew yet",
    )
    receivers.policy.write_text(valid)
    wait_until(lambda: readiness(receivers)[0] == 200, 60, "it takes alerts again")
    assert receivers.process.poll() is None, "it is the same process"
    assert receivers.gate_says_halt(), "what was tripped is tripped"
    assert receivers.send("alerts", [late]).status_code == 200
    kinds = receivers.event_types()
    assert kinds.count("SERVICE_STARTED") == 2
    assert kinds.count("KILL_SWITCH_ACTIVATED") == 1
    created = [
        event.payload.details["labels"]["risk_id"]
        for event in receivers.chain()
        if str(event.event_type) == "ALERT_CREATED"
    ]
    assert sorted(created) == sorted(
        [*(f"drawdown/{number}" for number in range(5)), "drawdown/main", "drawdown/late"]
    )
    assert spooled(receivers) == []
    assert receivers.verified().ok


def test_what_is_not_what_was_written_is_not_taken_up_again(
    receivers: Any, wait_until: Callable[..., Any], words: Any
) -> None:
    copy = receivers.database.with_name("copy.db")
    copy.write_bytes(receivers.database.read_bytes())
    copy.replace(receivers.database)
    wait_until(lambda: receivers.send("alerts", [words.alert()]).status_code == 503)
    assert "restart after mending it" in readiness(receivers)[1]


def test_an_error_of_the_disk_at_the_wrong_moment_keeps_no_service_from_beginning_anew(
    stopped: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    receivers = stopped.start(("-c", _FLAPPING))
    break_store(receivers)
    assert receivers.send("alerts", [words.alert()]).status_code == 503
    mend_store(receivers)
    wait_until(lambda: readiness(receivers)[0] == 200, 60, "it takes alerts again")
    assert "a look whether it can failed with OSError" in receivers.log


def test_one_that_is_being_stopped_does_not_begin_anew_instead(stopped: Any, words: Any) -> None:
    receivers = stopped.start()
    break_store(receivers)
    assert receivers.send("alerts", [words.alert()]).status_code == 503
    with socket.create_connection(("127.0.0.1", receivers.port)) as slow:
        slow.sendall(
            b"POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
            b"Authorization: Bearer alert-feed-secret\r\n\r\n["
        )
        receivers.process.send_signal(signal.SIGTERM)  # which waits for what is being answered
        mend_store(receivers)
        assert receivers.process.wait(30) is not None


def test_one_whose_python_is_gone_stops_so_that_whoever_watches_it_starts_another(
    stopped: Any, words: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "release" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (tmp_path / "release" / "lib").symlink_to(Path(sys.prefix) / "lib")
    if (own := Path(sys.prefix) / "pyvenv.cfg").exists():
        (tmp_path / "release" / "pyvenv.cfg").write_bytes(own.read_bytes())
    monkeypatch.setattr(sys, "executable", str(python))
    receivers = stopped.start(("-m", "risk_receivers"))  # by the interpreter that will be gone
    break_store(receivers)
    assert receivers.send("alerts", [words.alert()]).status_code == 503
    python.unlink()
    mend_store(receivers)
    assert receivers.process.wait(60) is not None
    assert "no new process can be started, this one stops" in receivers.log
