"""The go-live checklist on a real stack that was made ready, and on the same one spoilt."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import nursery
import pyotp
import pytest
from forked_processes import ForkedProcesses
from loopback_http import LoopbackServer
from mail_servers import Postbox, mail_server
from stack_under_test import Running, edited_policy, eventually, mails_to
from time_server import time_server

from risk_policy.clock import utc_now
from risk_receivers.audit.query import events
from risk_rules.prometheus import RULES_FOLDER
from riskwarden.drill.log import DrillLog
from riskwarden.drill.record import Criterion, Drill
from riskwarden.drill.scenarios import SCENARIOS
from riskwarden.golive.vouched import VOUCHED
from riskwarden.safety_snapshot.taking import Wanted, take
from riskwarden.stack.stack import Replay, find_binaries

pytestmark = pytest.mark.stack
#: Nothing trips by itself while somebody looks.
QUIET = Replay("2007-01-03", None, 0.2)
PASSWORD = "a slow train to Trieste"
HEAD = "[alerting.channels.webhook] # JSON to a URL of your own, signed\nenabled = "


class Desk:
    """A stack that is ready to go live, and the command."""

    def __init__(self, folder: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.mails: Postbox = stack.enter_context(mail_server())
        self.hooks: LoopbackServer = stack.enter_context(LoopbackServer())
        secrets = {
            "WEBHOOK_URL": f"{self.hooks.url}/desk-of-olga",
            "WEBHOOK_HMAC_SECRET": "nTq0Zk3rW8yLsvB1xGmPd7EuCjAhRfQo",
        }
        for name, value in secrets.items():
            path = folder / name.lower()
            path.write_text(value)
            path.chmod(0o600)
            monkeypatch.setenv(f"{name}_FILE", str(path))
        policy = edited_policy(
            folder,
            *mails_to(self.mails.port),
            (f"{HEAD}false", f"{HEAD}true"),
            ("loss_critical_pct = 10\n", "loss_critical_pct = 60\n"),
            ('time_server = ""', f'time_server = "{stack.enter_context(time_server(0.02))}"'),
        )
        (folder / "log").mkdir()
        processes = stack.enter_context(ForkedProcesses(folder / "log"))
        self.running = Running(folder, processes, policy)
        self.policy = policy
        self.running.stack.start(find_binaries(), QUIET, lambda _: None)
        self.drills = folder / "drills"
        self.rehearse()
        self._let_olga_in()

    def rehearse(self, *, well: bool = True) -> None:
        log, at = DrillLog(self.drills), utc_now()
        for name, scenario in SCENARIOS.items():
            log.add(
                Drill(
                    id=log.next_id(),
                    scenario=name,
                    title=scenario.title,
                    operator="olga",
                    environment="paper",
                    policy_digest=self.running.policy.digest,
                    started_at=at,
                    ended_at=at,
                    criteria=(Criterion(what="it works", met=well, evidence="seen"),),
                )
            )

    def owner(self, method: str, path: str, body: Any = None) -> Any:
        url = self.running.stack.url("receivers") + path
        token = {"Authorization": f"Bearer {self.running.layout.token('operator_token')}"}
        answer = httpx.request(method, url, json=body, headers=token, timeout=20, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def _let_olga_in(self) -> None:
        roles = {"name": "olga", "roles": ["admin"], "password": PASSWORD, "actor": "owner"}
        self.owner("POST", "/api/v1/users", roles)
        uri = self.owner("POST", "/api/v1/users/olga/totp", {"actor": "owner"})["uri"]
        authenticator = pyotp.parse_uri(uri)
        assert isinstance(authenticator, pyotp.TOTP)
        code = authenticator.now()
        self.owner("POST", "/api/v1/users/olga/totp", {"actor": "owner", "code": code})

    def every_rule_is_evaluated(self) -> bool:
        """Some are only evaluated twice a minute, and before that nothing passes.

        Asked once a second, as the answer is long; a whole look costs a hundred times as much.
        """
        signal.sigtimedwait([], 1)
        url = f"{self.running.stack.url('prometheus')}/api/v1/rules"
        groups = httpx.get(url, timeout=20, trust_env=False).json()["data"]["groups"]
        return all(rule["health"] == "ok" for group in groups for rule in group["rules"])

    def golive(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        said = [f"--vouch={name}=minutes of 2026-11-20" for name in VOUCHED]
        return nursery.run(
            "riskwarden", "golive", "--data", str(self.folder), "--policy", str(self.policy),
            "--drills", str(self.drills), "--author", "olga", *said, *arguments,
            environ=dict(os.environ),
        )  # fmt: skip

    def lines(self, *arguments: str) -> dict[str, dict[str, str]]:
        done = self.golive("--json", *arguments)
        assert done.stdout, done.stderr
        return {one["name"]: one for one in json.loads(done.stdout)["lines"]}

    def not_passed(self) -> dict[str, str]:
        lines = self.lines()
        return {name: one["seen"] for name, one in lines.items() if one["outcome"] != "passed"}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with ExitStack() as stack:
        yield Desk(tmp_path, stack, monkeypatch)


@pytest.mark.long
def test_a_stack_that_was_made_ready_passes_every_line_and_a_spoilt_one_does_not(
    desk: Desk,
) -> None:
    eventually(lambda: desk.owner("GET", "/api/v1/gate")["open"], 60, "the gate opens")
    eventually(desk.every_rule_is_evaluated, 90, "every rule is evaluated")
    eventually(lambda: not desk.not_passed(), 90, lambda: str(desk.not_passed()))
    report = desk.folder / "golive.md"
    before = len(desk.mails.mails)
    done = desk.golive("--report", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "READY" in done.stdout

    # People got a test that says that it is one; nothing was tripped, nothing is left behind.
    tests = [str(mail["Subject"]) for _, mail in desk.mails.mails[before:]]
    assert any("THIS IS A TEST" in subject for subject in tests), tests
    assert desk.owner("GET", "/api/v1/system/status")["kill_switch"]["state"] == "ARMED"

    # A snapshot of it has asked every part, each where that part answers.
    seen = take(Wanted(data=desk.folder, policy=desk.policy, drills=desk.drills))
    versions = (seen.versions.prometheus, seen.versions.alertmanager)
    assert None not in versions, versions

    # The report is the one that is on record.
    [*_, event] = [
        one
        for one in events(desk.running.database, 0, 10**6)
        if one.event_type == "GO_LIVE_CHECKED"
    ]
    assert event.payload is not None
    assert event.payload.actor_id == "olga"
    assert event.payload.details["result"] == "ready"
    digest = hashlib.sha256(report.read_bytes()).hexdigest()
    assert event.payload.details["report_sha256"] == digest
    said = report.read_text()
    assert "olga vouches for it: minutes of 2026-11-20" in said
    for secret in (desk.folder / "webhook_hmac_secret", desk.folder / "secrets/operator_token"):
        assert secret.read_text().strip() not in said + done.stdout

    # A rule that somebody has weakened, by the same name and the same digest, is no rule of ours;
    # nor is a secret that others of the machine may read a secret.
    [rules] = [
        path
        for path in sorted((desk.running.layout.prometheus / RULES_FOLDER).glob("*.yml"))
        if "DRAWDOWN_EMERGENCY" in path.read_text() and "> 0.2" in path.read_text()
    ][:1]
    rules.write_text(rules.read_text().replace("> 0.2", "> 0.9"))
    [prometheus] = [one for one in desk.running.processes._children if one.name == "prometheus"]
    os.kill(prometheus.process.pid, signal.SIGHUP)
    (desk.folder / "webhook_hmac_secret").chmod(0o644)
    desk.rehearse(well=False)
    spoilt = {"rules", "secrets", "drills"}
    eventually(lambda: set(desk.not_passed()) == spoilt, 90, lambda: str(desk.not_passed()))
    assert desk.golive().returncode == 1
    skips = [part for one in spoilt for part in ("--skip", one, "--because", "a test")]
    assert desk.golive(*skips).returncode == 3
