"""Either of two receivers may die at any moment: the other leads, and nothing is lost."""

from __future__ import annotations

import contextlib
import itertools
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Self

import httpx
import pytest
from postgres_cluster import own_cluster, restart
from typer.testing import CliRunner

from risk_policy.contracts import gate as contract
from risk_policy.contracts import marker
from risk_receivers.audit.note import SigningKey
from risk_receivers.database.place import Server
from risk_receivers.gate.folder import FolderLock
from risk_receivers.store import head_file
from riskwarden.app import application

#: Between two tries of one sender: with four of them eighty tries a second while nobody leads.
_AGAIN_SECONDS: Final = 0.05


def test_the_one_leads_and_the_other_stands_by_and_hands_on(pair: Any, words: Any) -> None:
    assert pair.one.metric("risk_receivers_leader") == 1
    assert pair.other.metric("risk_receivers_leader") == 0
    answer = pair.other.send("alerts", [words.alert(risk_id="drawdown/handed-on")])
    assert answer.status_code == 200, answer.text
    assert pair.counted("ALERT_CREATED")["drawdown/handed-on"] == 1
    assert pair.other.status()["ready"], "as the leader says"


@pytest.mark.parametrize("shared", [False, True], ids=["two machines", "one machine"])
def test_when_the_leader_is_killed_the_other_takes_over(
    make_pair: Any, words: Any, *, shared: bool
) -> None:
    pair = make_pair(shared=shared).start()
    pair.one.hear_watchdog()
    assert pair.one.send("alerts", [words.alert(risk_id="drawdown/before")]).status_code == 200
    pair.one.kill()
    pair.await_leader(pair.other)
    assert pair.term == 2
    pair.other.hear_watchdog()
    pair.wait_until(pair.other.gate_is_open, 20, "the gate opens")
    assert pair.counted("ALERT_CREATED")["drawdown/before"] == 1
    pair.one.spawn()
    pair.await_standby(pair.one)
    assert pair.verified()


def test_one_that_could_not_sign_the_chain_is_refused_and_told_what_is_right(
    make_pair: Any,
) -> None:
    pair = make_pair()
    pair.one.spawn()
    pair.wait_until(lambda: pair.leads(pair.one), 30, "the one leads")
    path = pair.other.data / "audit" / "signing.key"
    right = (pair.one.data / "audit" / "signing.key").read_text()
    other = SigningKey.generate("riskwarden/audit")
    said = pair.start_other(f"{other.reveal()}\n")
    assert f"{path}: holds the signing key {other.verifier.short}" in said
    assert f"is signed by {SigningKey.parse(right).verifier.short}" in said
    assert f"127.0.0.1:{pair.one.port} leads" in said
    assert "copy audit/signing.key" in said
    assert f"{path}: is missing" in pair.start_other(None)
    assert not path.exists(), "none is made up"
    assert pair.leads(pair.one), "and nobody was disturbed"


def test_a_kill_that_reaches_only_who_stands_by_closes_the_gate_there(
    pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = pair.other.data / "gate"
    gate.mkdir(exist_ok=True)
    held = FolderLock(gate, patience_seconds=5)  # so that it cannot lead
    (gate / contract.LEASE_FILE).write_bytes(bytes(contract.SIZE))
    pair.one.kill()
    pair.wait_until(lambda: "nobody leads" in str(pair.probe(pair.other)), 30, "nobody leads")
    policy = pair.other.policy
    asked = (
        f'[alerting.endpoints]\nreceivers = "127.0.0.1:{pair.one.port}"\n'
        f'[alerting.high_availability]\npeers = ["127.0.0.1:{pair.other.port}"]\n'
    )
    given = ["kill", "--mode", "pause", "--reason", "alone", "--data", str(pair.other.data)]
    policy.with_name("asked.toml").write_text(asked)
    monkeypatch.setenv("RISKWARDEN_OPERATOR_TOKEN", "operator-secret")
    given += ["--policy", str(policy.with_name("asked.toml"))]
    done = CliRunner().invoke(application(given), given)
    assert done.exit_code == 0, done.output
    order = marker.read_order(gate)
    assert order is not None
    assert order.reason == "alone"
    held.release()
    pair.await_leader(pair.other)
    pair.wait_until(
        lambda: (
            [e.payload.action_reason for e in pair.events_of("KILL_SWITCH_ACTIVATED")] == ["alone"]
        ),
        20,
        "it is on record once",
    )
    assert pair.other.gate_says_halt()


class Senders:
    """Send a stream of new alerts to whoever answers, as Prometheus does: again until it is 2xx.

    Whoever does not answer 2xx is left alone for a moment, as a Prometheus leaves it.
    """

    def __init__(self, pair: Any, words: Any, number: int = 4) -> None:
        self.answered: list[str] = []
        self._pair = pair
        self._words = words
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(name,), daemon=True) for name in range(number)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)

    def _send(self, name: int) -> None:
        headers = {"Authorization": "Bearer alert-feed-secret"}
        with httpx.Client(timeout=1, trust_env=False, headers=headers) as client:
            for number in itertools.count():
                risk_id = f"drawdown/{name}-{number}"
                alert = self._words.alert(risk_id=risk_id)
                for service in itertools.cycle((self._pair.one, self._pair.other)):
                    if self._stopping.is_set():
                        return
                    with contextlib.suppress(httpx.TransportError):
                        url = f"{service.url}/api/v2/alerts"
                        if client.post(url, json=[alert]).status_code == 200:
                            self.answered.append(risk_id)
                            break
                    self._stopping.wait(_AGAIN_SECONDS)


def all_on_record_once(pair: Any, answered: list[str]) -> None:
    created = pair.counted("ALERT_CREATED")
    assert {risk_id: created[risk_id] for risk_id in answered} == dict.fromkeys(answered, 1)
    assert max(created.values()) == 1
    assert pair.verified()


def test_under_a_stream_of_alerts_every_one_that_was_answered_is_on_record_once(
    pair: Any, words: Any
) -> None:
    assert pair.one.send("alerts", [words.kill_alert(risk_id="drawdown/kill")]).status_code == 200
    assert pair.one.status()["kill_switch"]["state"] == "TRIPPED"
    with Senders(pair, words) as senders:
        pair.wait_until(lambda: len(senders.answered) > 100, 60, "alerts are taken in")
        pair.one.kill()
        before = len(senders.answered)
        pair.await_leader(pair.other)
        pair.wait_until(lambda: len(senders.answered) > before + 100, 60, "they are again")
    all_on_record_once(pair, senders.answered)
    assert pair.other.status()["kill_switch"]["state"] == "TRIPPED", "one kill switch"
    assert pair.other.gate_says_halt()
    assert len(pair.other.status()["kill_switch"]["kills"]) == 1


@pytest.mark.long
def test_a_leader_that_was_stopped_and_goes_on_commits_and_publishes_nothing(
    pair: Any, words: Any
) -> None:
    pair.one.hear_watchdog()
    pair.wait_until(pair.one.gate_is_open, 20, "the gate opens")
    with Senders(pair, words) as senders:
        pair.wait_until(lambda: len(senders.answered) > 50, 60, "alerts are taken in")
        pair.one.process.send_signal(signal.SIGSTOP)
        pair.await_leader(pair.other)
        before = len(senders.answered)
        pair.wait_until(lambda: len(senders.answered) > before + 50, 60, "they are again")
    assert not pair.one.gate_is_open(), "its lease is over"
    answer = pair.other.operator_kill("pause")
    assert answer.status_code == 200, answer.text
    one_lease = pair.one.data / "gate" / "gate.lease"
    published = one_lease.read_bytes(), (pair.one.data / "gate" / "gate.json").read_bytes()
    size = len(pair.chain())
    pair.one.process.send_signal(signal.SIGCONT)
    seen_open = []

    def stands_by_again() -> bool:
        seen_open.append(pair.one.gate_is_open())
        return bool(pair.stands_by(pair.one))

    pair.wait_until(stands_by_again, 60, "it stands by")
    assert not any(seen_open), "it grants nothing any more"
    assert (pair.one.data / "gate" / "gate.json").read_bytes() == published[1]
    grown = pair.chain()[size:]
    assert [str(e.event_type) for e in grown if str(e.event_type) == "SERVICE_STARTED"] == []
    assert pair.term == 2
    assert pair.one.status()["kill_switch"]["state"] == "TRIPPED", "by way of the one that leads"
    all_on_record_once(pair, senders.answered)


def test_a_former_leader_that_does_not_know_it_yet_can_commit_nothing(
    pair: Any, words: Any
) -> None:
    pair.rows("UPDATE riskwarden_lead.leader SET term = term + 1 RETURNING term")
    answer = pair.one.send("alerts", [words.alert(risk_id="drawdown/late")])
    assert answer.status_code >= 500, answer.text
    assert pair.counted("ALERT_CREATED")["drawdown/late"] == 0


def test_when_the_standby_is_killed_nothing_changes(pair: Any, words: Any) -> None:
    with Senders(pair, words) as senders:
        pair.wait_until(lambda: len(senders.answered) > 50, 60, "alerts are taken in")
        pair.other.kill()
        before = len(senders.answered)
        pair.wait_until(lambda: len(senders.answered) > before + 50, 60, "and go on")
    assert pair.leads(pair.one)
    assert pair.term == 1
    all_on_record_once(pair, senders.answered)


def test_when_the_leader_stops_in_order_the_other_takes_over_at_once(pair: Any, words: Any) -> None:
    assert pair.one.stop() == 0
    pair.await_leader(pair.other)
    assert pair.other.send("alerts", [words.alert()]).status_code == 200
    assert pair.verified()


def test_when_postgresql_is_restarted_one_of_them_leads_again(
    make_pair: Any, words: Any, tmp_path: Path
) -> None:
    with own_cluster(tmp_path / "cluster") as server:
        pair = make_pair(dsn=server.dsn()).start()
        with Senders(pair, words) as senders:
            pair.wait_until(lambda: len(senders.answered) > 50, 60, "alerts are taken in")
            restart(server)
            before = len(senders.answered)
            pair.wait_until(lambda: len(senders.answered) > before + 50, 60, "they are again")
        pair.wait_until(
            lambda: {pair.leads(one) for one in (pair.one, pair.other)} == {True, False},
            60,
            "one leads, and one alone",
        )
        all_on_record_once(pair, senders.answered)
        for service in (pair.one, pair.other):
            service.kill()


def test_what_two_prometheus_send_to_both_addresses_is_taken_once(pair: Any, words: Any) -> None:
    alerts = [words.alert(risk_id=f"drawdown/{number}") for number in range(20)]

    def sent(service: Any) -> int:
        return int(service.send("alerts", alerts).status_code)

    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(sent, (pair.one, pair.other, pair.other, pair.one)))
    assert codes == [200] * 4
    assert pair.counted("ALERT_CREATED") == dict.fromkeys((f"drawdown/{n}" for n in range(20)), 1)


def test_a_standby_does_not_take_over_from_a_server_that_lost_what_it_has_seen(
    pair: Any, words: Any
) -> None:
    assert pair.one.send("alerts", [words.alert()]).status_code == 200
    last = pair.rows("SELECT max(seq) FROM audit_header")[0][0]
    noted = Server(pair.dsn, pair.other.database)

    def has_seen_it() -> bool:
        head = head_file.read(noted.path)
        return head is not None and head.size >= last

    pair.wait_until(has_seen_it, 20, "the standby has noted the head")
    pair.other.process.send_signal(signal.SIGSTOP)
    pair.one.kill()
    for table in ("audit_payload", "audit_header"):
        pair.rows(f"DELETE FROM {table} WHERE seq >= {last:d} RETURNING seq")  # noqa: S608
    pair.other.process.send_signal(signal.SIGCONT)
    pair.wait_until(lambda: "records were lost" in pair.other.log, 40, "it says what is missing")
    assert not pair.leads(pair.other)
