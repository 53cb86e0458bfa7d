"""Every symptom of the troubleshooting guide, produced once more by the product itself."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import nursery
import pytest
from free_ports import free_port

from risk_exporter import ExporterServer, RiskExporter
from risk_policy import default_policy_path, load_policy
from risk_policy.clock import utc_now
from risk_runtime import Order, Side, TradeGate
from risk_runtime.pretrade import Book, Instrument, PreTradeChecks, PreTradeLimits, TradeOrder

GUIDE = (Path(__file__).parents[2] / "docs/troubleshooting.md").read_text(encoding="utf-8")
SECTION = re.compile(
    r"^## (.*?)\n\n```text\n(.*?)\n```\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE
)
SYMPTOMS = {title: message for title, message, _ in SECTION.findall(GUIDE)}
BARE = {key: value for key, value in os.environ.items() if not key.startswith("RISKWARDEN_")}


@dataclass
class Bench:
    """What the symptoms are produced with."""

    service: Any
    folder: Path

    def command(self, *arguments: str, is_known: bool = True) -> str:
        known = {"RISKWARDEN_OPERATOR_TOKEN": "operator-secret", "RISKWARDEN_SNAPSHOT_TOKEN": "s"}
        environ = {**BARE, **known} if is_known else BARE
        where = ("--receivers", self.service.url) if arguments[0] in _ASKING else ()
        done = nursery.run("riskwarden", *arguments, *where, environ=environ, cwd=self.folder)
        return _said(done)

    def service_with(self, *arguments: str, environ: dict[str, str] | None = None) -> str:
        """What a receivers service that cannot start says."""
        given = ("--policy", str(self.service.policy), *arguments)
        done = nursery.run(
            "risk_receivers", *given, environ=environ or self.service.environ, cwd=self.folder
        )
        assert done.returncode == 2
        return _said(done)

    def policy_with(self, old: str, new: str) -> str:
        text = default_policy_path().read_text(encoding="utf-8")
        assert old in text
        path = self.folder / "changed.toml"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return str(path)


_ASKING = ("status", "clear", "ack", "reset-high-water-mark")


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return f"{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def bench(
    tmp_path_factory: pytest.TempPathFactory, service_in: Callable[[Path], Any]
) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("troubles")
    service = service_in(folder).start(prometheus=False)
    yield Bench(service, folder)
    service.close()


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    policy = load_policy(default_policy_path(), {})
    with (
        RiskExporter(policy, tmp_path_factory.mktemp("state")) as exporter,
        ExporterServer(exporter, listen=f"127.0.0.1:{free_port()}", snapshot_token="s") as served,
    ):
        yield f"http://{served.listen}/api/v1/snapshot"


def post(url: str, taken_at: str, *, secret: str = "") -> str:
    body = {"account": "main", "equity": 9, "cash": 9, "positions": [], "taken_at": taken_at}
    head = {"Authorization": f"Bearer {secret or 's'}"}
    try:
        with urlopen(Request(url, json.dumps(body).encode(), head), timeout=10) as answer:
            return str(answer.read().decode())
    except HTTPError as error:
        return str(error.read().decode())


def out_of_order(url: str) -> str:
    post(url, utc_now().isoformat())
    return post(url, "2020-01-01T00:00:00Z")


def pre_trade() -> str:
    checks = PreTradeChecks(PreTradeLimits.of(load_policy(default_policy_path(), {})))
    held = Instrument("BTC-EUR", mark=80_000.0, priced_at=checks.now(), quantity=0.1)
    book = Book("main", equity=100_000.0, instruments=[held], taken_at=checks.now())
    order = TradeOrder("main", "BTC-EUR", Side.BUY, 0.2, 80_000.0, stop=76_000.0)
    return checks.check(order, book).reason


def asked_at(folder: Path) -> str:
    return TradeGate(folder).check(Order("BTC-EUR", Side.BUY, 0.1, 8.0, 0.0)).reason


def tampered(bench: Bench) -> str:
    data = bench.folder / "tampered"
    (data / "audit").mkdir(parents=True)
    with (
        closing(sqlite3.connect(bench.service.database)) as source,
        closing(sqlite3.connect(data / "audit/audit.db")) as copy,
    ):
        source.backup(copy)
        copy.execute(
            "UPDATE audit_payload SET payload = CAST("
            "replace(CAST(payload AS TEXT), ':', ' :') AS BLOB) WHERE seq = 1"
        )
        copy.commit()
    return bench.command("audit", "verify", "--data", str(data))


def killed(bench: Bench) -> str:
    bench.service.operator_kill("pause")
    return asked_at(bench.service.data / "gate")


def uncleared(bench: Bench) -> str:
    bench.service.operator_kill("pause")
    return bench.command("clear", "--reason", "over")


NOBODY = {"name": "admin", "password": "admin"}
#: Produced where it is tested anyway, since it takes long or a service of its own.
ELSEWHERE = {
    "Generated files differ": "tests/cli/test_generate.py",
    "Clearing is refused: what tripped it still fires": "tests/receivers/test_clearing.py",
    "A channel fails": "tests/receivers/test_channel_health.py",
}
TROUBLES: dict[str, Callable[[Bench, str], str]] = {
    "The gate stays closed after a start": lambda bench, _: bench.command("status"),
    "A runtime is refused every order: nothing publishes": lambda bench, _: asked_at(
        bench.folder / "elsewhere"
    ),
    "A runtime is refused every order: the switch is tripped": lambda bench, _: killed(bench),
    "Clearing is refused although nothing seems wrong": lambda bench, _: uncleared(bench),
    "The second step of clearing does nothing": lambda bench, _: bench.command(
        "clear", "--reason", "over", "--confirm", "abc"
    ),
    "A command knows no token": lambda bench, _: bench.command("status", is_known=False),
    "A kill does not reach the receivers": lambda bench, _: bench.command(
        *("kill", "--mode", "pause", "--reason", "x", "--receivers", "http://127.0.0.1:1")
    ),
    "401 from the receivers": lambda bench, _: (
        bench.service.call("GET", "/api/v1/system/status", token="wrong").text
    ),
    "403 from the receivers": lambda bench, _: (
        bench.service.call("GET", "/api/v1/system/status", token="runtime-secret").text
    ),
    "An acknowledgement is refused": lambda bench, _: bench.command(
        "ack", "drawdown/main:warning:1", "--comment", "mine"
    ),
    "The console lets nobody in": lambda bench, _: (
        bench.service.call("POST", "/api/v1/session", "", json=NOBODY).text
    ),
    "The policy is refused: a ratio where percent is meant": lambda bench, _: bench.command(
        *("policy", "check"), bench.policy_with("loss_breach_pct = 5", "loss_breach_pct = 0.05")
    ),
    "The policy is refused: an unknown key": lambda bench, _: bench.command(
        *("policy", "check"), bench.policy_with("daily_loss_warning_pct", "daily_los_warning_pct")
    ),
    "The policy is refused: a secret is not set": lambda bench, _: bench.command(
        *("policy", "check"),
        bench.policy_with(
            "[alerting.channels.email]\nenabled = false",
            "[alerting.channels.email]\nenabled = true",
        ),
    ),
    "The receivers do not start: tokens": lambda bench, _: bench.service_with(
        *("--data", "other", "--listen", f"127.0.0.1:{free_port()}"), environ=BARE
    ),
    "The receivers do not start: the address is taken": lambda bench, _: bench.service_with(
        *("--data", "other", "--listen", f"127.0.0.1:{bench.service.port}")
    ),
    "The receivers do not start: another one publishes": lambda bench, _: bench.service_with(
        *("--data", str(bench.service.data), "--listen", f"127.0.0.1:{free_port()}")
    ),
    "The receivers do not start: reachable by others": lambda bench, _: bench.service_with(
        *("--data", "other", "--listen", "0.0.0.0:9")
    ),
    "Snapshots are refused: no time zone": lambda _, url: post(url, "2026-03-02T15:00:00"),
    "Snapshots are refused: out of order": lambda _, url: out_of_order(url),
    "Snapshots are refused: from the future": lambda _, url: post(url, "2120-01-01T00:00:00Z"),
    "Snapshots are refused: the token": lambda _, url: post(
        url, utc_now().isoformat(), secret="wrong"
    ),
    "An order is refused before the gate": lambda *_: pre_trade(),
    "rules explain shows no current values": lambda bench, _: bench.command(
        *("rules", "explain", "DRAWDOWN_WARNING", "--prometheus", "127.0.0.1:1")
    ),
    "The audit trail is not found": lambda bench, _: bench.command(
        "audit", "verify", "--data", "nowhere"
    ),
    "The audit trail does not verify": lambda bench, _: tampered(bench),
    "Resetting the high-water mark fails": lambda bench, _: bench.command(
        *("reset-high-water-mark", "main", "--reason", "x", "--exporter", "http://127.0.0.1:1")
    ),
}


def as_pattern(message: str) -> str:
    return ".*?".join(re.escape(" ".join(part.split())) for part in message.split("…"))


def test_the_guide_tells_what_one_sees_why_and_what_to_do() -> None:
    assert len(SYMPTOMS) >= 15
    assert GUIDE.count("\n## ") == len(SYMPTOMS)
    for title, _, text in SECTION.findall(GUIDE):
        why, _, do = text.partition("**Do.** ")
        assert why.strip().startswith("**Why.** "), title
        assert len(do.split()) > 5, title
    assert {*TROUBLES, *ELSEWHERE} == set(SYMPTOMS)


@pytest.mark.parametrize(("title", "test"), ELSEWHERE.items())
def test_a_symptom_of_another_test_is_asked_for_there_in_these_words(title: str, test: str) -> None:
    text = (Path(__file__).parents[2] / test).read_text(encoding="utf-8")
    words = SYMPTOMS[title].partition("…")[0].rstrip().removesuffix(" that")
    assert words in text


@pytest.mark.parametrize("title", TROUBLES)
def test_the_product_says_it_in_these_words(title: str, bench: Bench, exporter: str) -> None:
    said = " ".join(TROUBLES[title](bench, exporter).replace('\\"', '"').split())
    assert re.search(as_pattern(SYMPTOMS[title]), said), said
