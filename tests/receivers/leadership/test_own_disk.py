"""A leader whose own disk fails makes way: the database is there for the other one."""

from __future__ import annotations

import resource
from typing import Any


def files_may_grow_to(service: Any, size: int) -> None:
    hard = resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (size, hard))


def test_one_that_can_write_nothing_on_its_own_machine_leads_no_more_until_it_can(
    pair: Any, words: Any
) -> None:
    hard = resource.prlimit(pair.one.process.pid, resource.RLIMIT_FSIZE)[1]
    files_may_grow_to(pair.one, 0)
    assert pair.one.send("alerts", [words.alert(risk_id="drawdown/late")]).status_code == 503
    assert pair.one.operator_kill("pause", "nobody records it").status_code == 503
    pair.await_leader(pair.other)
    pair.await_standby(pair.one)
    pair.wait_until(pair.other.gate_says_halt, 30, "the kill that was given to it holds, too")
    answer = pair.one.send("alerts", [words.alert(risk_id="drawdown/late")])
    assert answer.status_code == 200, "it hands on"
    assert pair.counted("ALERT_CREATED")["drawdown/late"] == 1

    pair.other.kill()
    pair.wait_until(
        lambda: "cannot be written" in pair.probe(pair.one)[1].get("detail", ""),
        30,
        "it says why nobody leads",
    )
    assert not pair.one.gate_is_open()
    files_may_grow_to(pair.one, hard)
    pair.await_leader(pair.one)
    assert pair.one.send("alerts", [words.alert(risk_id="drawdown/again")]).status_code == 200
    assert pair.verified()


def test_where_nobody_else_could_lead_a_kill_still_reaches_its_gate(
    make_pair: Any, words: Any, wait_until: Any
) -> None:
    one = make_pair().one
    one.start(("-m", "risk_receivers"))
    files_may_grow_to(one, 0)
    assert one.send("alerts", [words.alert()]).status_code == 503
    wait_until(
        lambda: "cannot be written" in one.call("GET", "/readyz", token="").text,
        30,
        "it has made way, and nobody came",
    )
    assert one.send("alerts", [words.kill_alert()]).status_code == 503
    assert one.gate_says_halt()
