"""`riskwarden align` on a Prometheus that says when it scrapes and when it evaluates."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nursery
import pytest
from loopback_http import LoopbackServer, Received, Reply
from snapshot_desk import NOBODY

from risk_policy import default_policy_path, load_policy
from risk_policy.contracts.golive import Outcome
from risk_rules import generate_rules, phase
from risk_rules.errors import PhaseError
from riskwarden import alignment, artefacts
from riskwarden.golive import looking, running
from riskwarden.golive.finding import passed
from riskwarden.golive.ground import Ground
from riskwarden.operator import Operator
from riskwarden.stack.layout import Layout

#: As it lies there for Prometheus, wherever that is for us.
SEEN_AT = "/etc/elsewhere/rules/drawdown.yml"
OWN = "riskwarden-drawdown"
MINUTE = 1_700_000_040
POLICY = load_policy(default_policy_path(), {})


@dataclass
class Server:
    """One that lays out its groups as Prometheus 3 does."""

    http: LoopbackServer
    name: str = OWN
    ready: float = 0.5
    steady: bool = True
    firing: bool = False
    loads: str = SEEN_AT

    @property
    def address(self) -> str:
        return self.http.url.removeprefix("http://")

    def answer(self, asked: Received) -> Reply:
        if asked.path.startswith("/api/v1/rules"):
            found: dict[str, Any] = {"groups": [self._group(one) for one in self._names()]}
        elif "up%7B" in asked.path:
            found = self._samples("1")
        else:
            found = self._samples("0.004")
        return Reply(body=json.dumps({"status": "success", "data": found}))

    def _names(self) -> list[str]:
        return [self.name, *(f"other-{number}" for number in range(12))]

    def _group(self, name: str) -> dict[str, Any]:
        offset = phase.offset_nanoseconds(phase.Layout.VARINT, self.loads, name, 1.0)
        at = datetime.fromtimestamp(MINUTE, UTC) + timedelta(microseconds=offset // 1000 + 900)
        state = "firing" if self.firing and name == self.name else "inactive"
        return {
            "name": name,
            "file": self.loads,
            "interval": 1,
            "lastEvaluation": at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z",
            "rules": [
                {
                    "name": "DRAWDOWN_EMERGENCY",
                    "state": state,
                    "type": "alerting",
                    "query": "vector(1)",
                    "health": "ok",
                }
            ],
        }

    def _samples(self, value: str) -> dict[str, Any]:
        each = 1.0 if self.steady else 1.371
        values = [[MINUTE + number * each + self.ready - 0.004, value] for number in range(30)]
        return {"result": [{"metric": {"instance": "127.0.0.1:9464"}, "values": values}]}


@pytest.fixture
def server() -> Iterator[Server]:
    with LoopbackServer() as http:
        found = Server(http)
        http.instead = found.answer
        yield found


@pytest.fixture(scope="module")
def drawdown() -> str:
    """The rule file."""
    return generate_rules(POLICY)["rules/drawdown.yml"]


@pytest.fixture
def folder(tmp_path: Path, drawdown: str) -> Path:
    (tmp_path / "drawdown.yml").write_text(drawdown, encoding="utf-8")
    return tmp_path


def align(server: Server, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = ("align", "--rules", str(folder), "--prometheus", server.address, *more)
    return nursery.run("riskwarden", *command, cwd=folder)


def misaligned(server: Server) -> float:
    """Let the scrapes end just after the group is evaluated, so that they wait longest."""
    at = phase.offset_nanoseconds(phase.Layout.VARINT, server.loads, server.name, 1.0) / 1e9
    server.ready = (at + 0.01) % 1.0
    return server.ready


def test_a_name_is_chosen_whose_evaluation_follows_the_scrape_and_stays_when_generated_again(
    server: Server, folder: Path, drawdown: str
) -> None:
    ready = misaligned(server)
    checked = align(server, folder, "--check")
    assert checked.returncode == 1, checked.stdout
    assert f"{OWN}: evaluated 990 ms behind them; as {OWN}." in checked.stdout
    assert "not aligned" in checked.stderr
    assert (folder / "drawdown.yml").read_text(encoding="utf-8") == drawdown

    done = align(server, folder)
    assert done.returncode == 0, done.stderr
    assert f"its samples are there {ready * 1000:.0f} ms past each 1 s" in done.stdout
    assert f"wrote {folder / 'drawdown.yml'}" in done.stdout
    assert "have Prometheus load it" in done.stdout
    text = (folder / "drawdown.yml").read_text(encoding="utf-8")
    (line,) = set(text.splitlines()) - set(drawdown.splitlines())
    chosen = line.removeprefix("  - name: ")
    offset = phase.offset_nanoseconds(phase.Layout.VARINT, SEEN_AT, chosen, 1.0) / 1e9
    assert 0.02 <= (offset - ready) % 1.0 <= 0.031

    server.name = chosen  # as Prometheus has it, once it has loaded the file
    checked = align(server, folder, "--check")
    assert checked.returncode == 0, checked.stderr
    assert "aligned" in checked.stdout

    # The policy asks for the same; and for something else, which the name outlives.
    rules = folder / "rules"
    rules.mkdir()
    (rules / "drawdown.yml").write_text(text, encoding="utf-8")
    wanted = {"rules": {"drawdown.yml": drawdown}}
    assert list(artefacts.compare(wanted, folder)) == []
    changed = {"rules": {"drawdown.yml": drawdown.replace("> 0.2,", "> 0.3,")}}
    (drift,) = artefacts.settle(changed, folder)
    assert chosen not in drift.diff
    assert (rules / "drawdown.yml").read_text(encoding="utf-8") == text.replace("> 0.2,", "> 0.3,")


def test_an_alert_that_fires_is_not_begun_anew(server: Server, folder: Path) -> None:
    misaligned(server)
    server.firing = True
    refused = align(server, folder)
    assert refused.returncode == 1
    assert "DRAWDOWN_EMERGENCY fires" in refused.stderr
    assert OWN + "." not in (folder / "drawdown.yml").read_text(encoding="utf-8")


def test_where_no_rule_file_is_nothing_is_written(server: Server, folder: Path) -> None:
    misaligned(server)
    refused = align(server, folder, "--rules", str(folder / "nowhere"))
    assert refused.returncode == 1
    assert "drawdown.yml: No such file or directory; nothing was changed" in refused.stderr
    assert align(server, folder, "--prometheus", "no address").returncode == 2
    assert OWN + "." not in (folder / "drawdown.yml").read_text(encoding="utf-8")


def test_names_are_not_written_where_prometheus_does_not_look(
    server: Server, folder: Path, drawdown: str, tmp_path: Path
) -> None:
    (tmp_path / "loaded").mkdir()
    loaded = tmp_path / "loaded/drawdown.yml"
    loaded.write_text(drawdown, encoding="utf-8")
    server.loads = str(loaded)
    misaligned(server)
    refused = align(server, folder)
    assert refused.returncode == 1
    assert f"this Prometheus loads {loaded}" in "".join(refused.stderr.splitlines())
    assert (folder / "drawdown.yml").read_text(encoding="utf-8") == drawdown
    assert align(server, loaded.parent).returncode == 0
    assert OWN + "." in loaded.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"steady": False}, "too busy to tell their phase"),
        ({"name": "somebody-elses"}, f"Prometheus does not evaluate {OWN}"),
    ],
)
def test_what_cannot_be_told_is_said(server: Server, wrong: dict[str, Any], said: str) -> None:
    for name, value in wrong.items():
        setattr(server, name, value)
    with pytest.raises(PhaseError, match=said):
        alignment.measure(POLICY, server.http.url)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(body="<html>"), "answers not as Prometheus does"),
        (Reply(body='{"data": {"groups": 1}}'), "answers not as Prometheus does"),
        (Reply(503), "does not answer: Server error '503"),
    ],
)
def test_an_answer_that_is_none_is_said(server: Server, reply: Reply, said: str) -> None:
    server.http.instead = lambda _: reply
    with pytest.raises(PhaseError, match=said):
        alignment.measure(POLICY, server.http.url)


def test_the_checklist_says_how_long_what_was_scraped_waits(server: Server) -> None:
    misaligned(server)
    rules = passed("all rules")
    found = running.phase(rules, alignment.measure(POLICY, server.http.url))
    assert found.seen == (
        "all rules; what trips is evaluated 990 ms behind the scrape, less after riskwarden align"
    )
    server.name = alignment.measure(POLICY, server.http.url).groups[0].better
    found = running.phase(rules, alignment.measure(POLICY, server.http.url))
    assert re.fullmatch(
        "all rules; what trips is evaluated (2|3).? ms behind the scrape", found.seen
    )
    # Nobody has to do it, and what is not known spoils nothing that was asked for.
    found = running.phase(rules, "there is no scrape yet")
    assert found.outcome is Outcome.PASSED
    assert found.seen.endswith("is not known: there is no scrape yet")


def test_a_group_is_the_policys_under_any_name_that_was_chosen_for_it(
    server: Server, tmp_path: Path
) -> None:
    server.name = f"{OWN}.417"
    path = tmp_path / "alerting.toml"
    path.write_text(NOBODY.replace("127.0.0.1:3", server.address), encoding="utf-8")
    ground = Ground(
        policy=load_policy(path, {}),
        layout=Layout(tmp_path),
        operator=Operator(tmp_path, path, None),
        author="olga",
        environ={},
        drills=tmp_path,
    )
    assert OWN in {one.group for one in looking.rules_in_force(ground).rules}
