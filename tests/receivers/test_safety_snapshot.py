"""A safety snapshot beside a service that runs, hangs, was killed or was stopped: it only reads."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from risk_policy.clock import utc_now
from risk_policy.contracts.safety_snapshot import SafetySnapshot
from riskwarden.safety_snapshot.taking import Wanted, take

DRILL = {"id": "DRILL-0007", "scenario": "kill-pause", "environment": "paper", "actor": "olga"}
#: Mounts what is named read-only for a command, and for it alone.
READ_ONLY = (
    'folder="$1"; shift; mount --bind "$folder" "$folder" && '
    'mount -o remount,bind,ro "$folder" && ! touch "$folder/written" 2>/dev/null && exec "$@"'
)


def taken(service: Any, tmp_path: Path, *, ask: bool = False) -> SafetySnapshot:
    wanted = Wanted(data=service.data, policy=service.policy, drills=tmp_path, ask=ask)
    return take(wanted, environ=service.environ)


def taken_by_process(service: Any, tmp_path: Path, *before: str) -> SafetySnapshot:
    """By a process of its own, that ``before`` starts."""
    words = ("snapshot", "--json", "-", "--data", str(service.data), "--drills", str(tmp_path))
    asked = ("--policy", str(service.policy), "--offline")
    done = subprocess.run(
        [*before, sys.executable, "-B", "-m", "riskwarden", *words, *asked],
        env=service.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return SafetySnapshot.model_validate_json(done.stdout)


def traces(folder: Path) -> dict[str, tuple[str, int, int, int]]:
    """Every file with its digest, size, time of change, and who may do what with it."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = digest, status.st_size, status.st_mtime_ns, status.st_mode
    return found


def rehearsed_and_killed(service: Any) -> None:
    for phase in ({"phase": "started"}, {"phase": "ended", "result": "PASS"}):
        answer = service.call("POST", "/api/v1/drills", json={**DRILL, **phase})
        assert answer.status_code == 200, answer.text
    assert service.operator_kill("pause", "to look at it").status_code == 200


def is_as_it_is(one: SafetySnapshot) -> None:
    """What ``rehearsed_and_killed`` led to."""
    assert one.kill_switches is not None
    (kill,) = one.kill_switches
    assert (kill.mode, kill.cause, kill.on_record, kill.at_gate) == (
        "pause",
        "to look at it",
        True,
        True,
    )
    assert one.restrictions == ()
    (drill,) = (drill for drill in one.drills if drill.scenario == DRILL["scenario"])
    assert (drill.result, drill.operator, drill.evidence) == ("PASS", "olga", "audit chain")
    assert one.chain.is_whole is True
    assert one.chain.signed_head, "the kill was signed at once"
    assert one.gate.state == "halted"
    assert one.safety.adds_risk == "refused"


def test_nothing_is_touched_and_all_is_seen_in_whatever_state_the_service_is(
    receivers: Any, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    rehearsed_and_killed(receivers)
    before = len(receivers.chain())

    # Running: it is asked, and the asking leaves nothing on record.
    described = {name: f"127.0.0.1:{n}" for n, name in enumerate(("exporter", "alertmanager"), 1)}
    endpoints = {
        **described,
        "prometheus": "127.0.0.1:3",
        "receivers": f"127.0.0.1:{receivers.port}",
    }
    (receivers.data / "stack.json").write_text(
        json.dumps({"environment": "paper", "endpoints": endpoints})
    )
    one = taken(receivers, tmp_path, ask=True)
    is_as_it_is(one)
    assert one.chain.found_intact is True
    assert one.limits.in_force is True
    assert set(one.limits.digests_elsewhere) == {"gate", "receivers"}
    assert len(receivers.chain()) == before
    assert (utc_now() - one.taken_at).total_seconds() < 60

    # Hanging, with its log and its index open: whatever moves now is not its doing.
    assert receivers.process is not None
    receivers.process.send_signal(signal.SIGSTOP)
    held = traces(receivers.data)
    assert str(receivers.database) + "-wal" in held
    is_as_it_is(taken(receivers, tmp_path))
    assert traces(receivers.data) == held

    # Killed: what is in the log alone is seen.
    receivers.process.send_signal(signal.SIGCONT)
    receivers.kill()
    held = traces(receivers.data)
    is_as_it_is(taken(receivers, tmp_path))
    assert traces(receivers.data) == held
    mounted = ("unshare", "-rm", "sh", "-c", READ_ONLY, "sh", str(receivers.data))
    if may_mount(tmp_path):
        is_as_it_is(taken_by_process(receivers, tmp_path, *mounted))
        assert traces(receivers.data) == held

    # Stopped properly: there is no log left, and none is made.
    receivers.start(prometheus=False).stop()
    held = traces(receivers.data)
    assert str(receivers.database) + "-wal" not in held
    one = taken(receivers, tmp_path)
    is_as_it_is(one)
    assert one.chain.found_intact is None
    assert traces(receivers.data) == held


def test_a_record_in_segment_files_is_read_as_well_and_left_as_it_is(
    stopped: Any, tmp_path: Path
) -> None:
    text = stopped.policy.read_text()
    stopped.policy.write_text(f"{text}[alerting.audit]\nstorage_backend = 'jsonl'\n")
    rehearsed_and_killed(stopped.start())
    stopped.kill()
    held = traces(stopped.data)
    assert any(".chain" in path for path in held)
    is_as_it_is(taken(stopped, tmp_path))
    assert traces(stopped.data) == held


def may_mount(tmp_path: Path) -> bool:
    """Whether this user may have a view of files of its own, as containers mostly do not let it."""
    if shutil.which("unshare") is None:
        return False
    folder = tmp_path / "mounted"
    folder.mkdir(exist_ok=True)
    asked = ["unshare", "-rm", "sh", "-c", READ_ONLY, "sh", str(folder), "true"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0
