"""What a safety snapshot lets out, and where it may write: no secret, and nowhere."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from snapshot_desk import Exporter, exposition, riskwarden

from risk_policy.clock import utc_now
from risk_policy.contracts.safety_snapshot import SafetySnapshot
from riskwarden.safety_snapshot.sealing import sealed

# -- secrets ------------------------------------------------------------------------------------

SECRETS = {
    name: f"{hashlib.sha256(name.encode()).hexdigest()[:24]}-{name.lower()}"
    for name in (
        "SLACK_WEBHOOK_URL",
        "RISKWARDEN_OPERATOR_TOKEN",
        "RISKWARDEN_CONFIRM_TOKEN",
        "BINANCE_API_SECRET",
        "BINANCE_API_KEY",
        "DB_PASSWORD",
    )
}


def leaking(*texts: str) -> list[str]:
    return [name for name, secret in SECRETS.items() if any(secret in text for text in texts)]


def test_no_secret_is_anywhere_whatever_somebody_wrote_where(
    data: Path, policy: Path, tell: Callable[..., None], tmp_path: Path, exporter: Exporter
) -> None:
    tell({"mode": "paper"})
    (data / "secrets").mkdir()
    (data / "secrets" / "operator_token").write_text(SECRETS["RISKWARDEN_OPERATOR_TOKEN"])
    kept = tmp_path / "kept"
    kept.write_text(SECRETS["DB_PASSWORD"])
    exporter.text = exposition("paper", utc_now(), account=SECRETS["BINANCE_API_SECRET"])
    (data / "gate").mkdir()
    kill = {"id": "k1", "cause": SECRETS["BINANCE_API_KEY"], "level": SECRETS["DB_PASSWORD"]}
    detail = {
        "schema_version": 2,
        "version": 3,
        "halted": True,
        "restrictions": [
            {"kind": "kill_switch", "mode": "pause", "since": "2026-01-01T00:00:00Z", **kill}
        ],
        "policy_digest": SECRETS["RISKWARDEN_OPERATOR_TOKEN"],
        "written_at": "2026-01-01T00:00:00Z",
    }
    (data / "gate" / "gate.json").write_text(json.dumps(detail))
    policy.write_text(
        policy.read_text()
        + "[alerting.channels.slack]\nenabled = true\nwebhook_url = '${SLACK_WEBHOOK_URL}'\n"
    )
    environ = {k: v for k, v in SECRETS.items() if k != "DB_PASSWORD"} | {
        "DB_PASSWORD_FILE": str(kept),
        "SLACK_WEBHOOK_URL": f"https://hooks.slack.com/services/{SECRETS['SLACK_WEBHOOK_URL']}",
    }
    named = data.rename(data.with_name(f"data-{SECRETS['RISKWARDEN_CONFIRM_TOKEN']}"))
    paths = ("--data", named, "--policy", policy, "--drills", tmp_path)
    as_json = riskwarden("snapshot", *paths, "--json", "-", **environ)
    shown = riskwarden("snapshot", *paths, **environ)
    assert as_json.exit_code == shown.exit_code == 0
    told = SafetySnapshot.model_validate_json(as_json.stdout)
    assert told.kill_switches is not None
    assert told.kill_switches[0].cause == "***", "what was said there is seen to be left out"
    assert leaking(as_json.stdout, shown.stdout) == []
    assert leaking(as_json.stderr, shown.stderr) == []


@pytest.mark.parametrize("broken", ["policy", "toml", "gate", "database", "state", "stack", "log"])
def test_what_cannot_be_read_is_never_quoted(
    data: Path, policy: Path, tell: Callable[..., None], tmp_path: Path, broken: str
) -> None:
    secret = SECRETS["DB_PASSWORD"]  # which nobody could know to be one
    tell({"mode": "paper"})
    drills = tmp_path / "drills"
    drills.mkdir()
    targets = {
        "policy": (policy, f"[alerting.kill_switch]\nmode = '{secret}'\nyours = '{secret}'\n"),
        "toml": (policy, f"alerting = {secret}"),
        "gate": (data / "gate" / "gate.json", f'{{"version": "{secret}"}}'),
        "database": (data / "audit" / "audit.db", secret * 100),
        "state": (data / "runtime" / "exporter" / "main" / "state.json", f'{{"{secret}": 1}}'),
        "stack": (data / "stack.json", secret),
        "log": (drills / "drills.jsonl", f'{{"id": "{secret}"}}\n'),
    }
    path, text = targets[broken]
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    paths = ("--data", data, "--policy", policy, "--drills", drills)
    shown = riskwarden("snapshot", *paths)
    as_json = riskwarden("snapshot", *paths, "--json", "-")
    assert shown.exit_code == as_json.exit_code == 0
    assert secret not in shown.stdout + shown.stderr + as_json.stdout + as_json.stderr


# -- reading alone --------------------------------------------------------------------------------


def test_the_kernel_keeps_what_reads_from_writing(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("as it was")

    def tries(is_sealed: bool) -> list[str]:
        if not is_sealed:
            return ["unsealed"]
        done = []
        attempts: dict[str, Callable[[], object]] = {
            "write": lambda: there.open("a"),
            "truncate": lambda: os.truncate(there, 0),
            "create": lambda: (tmp_path / "new").touch(),
            "folder": lambda: (tmp_path / "folder").mkdir(),
            "remove": there.unlink,
            "rename": lambda: there.rename(tmp_path / "other"),
            "link": lambda: (tmp_path / "link").symlink_to(there),
        }
        for what, act in attempts.items():
            try:
                act()
            except OSError:
                continue
            done.append(what)
        there.read_text()
        return done

    done = sealed(tries)
    if done == ["unsealed"]:
        pytest.skip("this kernel has no Landlock")
    assert done == []
    there.write_text("whoever asked for it may write")
    assert sorted(tmp_path.iterdir()) == [there]


def test_what_is_read_is_not_written_over(data: Path, policy: Path, tell: Any) -> None:
    tell({"mode": "paper"})
    state = data / "runtime" / "exporter" / "main" / "state.json"
    before = {path: path.read_bytes() for path in (policy, state)}
    for target in before:
        asked = ("snapshot", "--data", data, "--policy", policy, "--offline", "--json", target)
        done = riskwarden(*asked)
        assert done.exit_code == 2
        assert "name another file" in done.stderr
    assert {path: path.read_bytes() for path in before} == before


def test_it_goes_where_it_was_asked_to_go(data: Path, policy: Path, tmp_path: Path) -> None:
    paths = ("snapshot", "--data", data, "--policy", policy, "--offline", "--drills", tmp_path)
    files = tmp_path / "one.json", tmp_path / "one.md"
    done = riskwarden(*paths, "--json", files[0], "--markdown", files[1])
    assert (done.exit_code, done.stdout) == (0, "")
    one = SafetySnapshot.model_validate_json(files[0].read_text())
    assert one.model_dump_json(indent=2) + "\n" == files[0].read_text()
    assert files[1].read_text().startswith("# Safety snapshot\n")
    again = riskwarden(*paths, "--json", files[0], "--stdout")
    assert again.stdout.startswith("# Safety snapshot\n")
    assert riskwarden(*paths, "--json", "-", "--stdout").exit_code == 2
    unwritable = riskwarden(*paths, "--json", tmp_path / "no" / "where.json")
    assert unwritable.exit_code == 2
    assert list(data.rglob("*")) == []


def test_what_others_have_written_makes_no_cell_and_no_line_of_its_own(
    data: Path, policy: Path, taken: Callable[..., SafetySnapshot]
) -> None:
    folder = data / "gate"
    folder.mkdir()
    cause = "a | b\n# Safety snapshot\x1b[2J <b> `x` [y](http://z)"
    held = {"kind": "block_trade", "id": "r1", "level": "critical", "cause": cause}
    (folder / "gate.json").write_text(
        json.dumps(
            {
                "schema_version": 2,
                "version": 1,
                "halted": False,
                "policy_digest": "",
                "restrictions": [{**held, "since": "2026-01-01T00:00:00Z"}],
                "written_at": datetime(2026, 1, 1, tzinfo=UTC).isoformat(),
            }
        )
    )
    restrictions = taken().restrictions
    assert restrictions is not None
    assert restrictions[0].cause == cause
    shown = riskwarden("snapshot", "--data", data, "--policy", policy, "--offline").stdout
    assert shown.count("# Safety snapshot\n") == 1
    assert "\x1b" not in shown
    (row,) = (line for line in shown.splitlines() if line.startswith("| r1 |"))
    assert row.replace("\\|", "").count("|") == 7
