"""A leader that can record nothing, by what is its own, makes way: the database is there for the
other one.
"""

from __future__ import annotations

import resource
from typing import Any

import psycopg

#: The service with a mistake in what it does beside standing by.
_MISTAKEN = """
from risk_receivers.__main__ import main
from risk_receivers.leadership.left_behind import LeftBehind
LeftBehind.round = lambda self: {}["what nobody thought of"]
raise SystemExit(main())
"""


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


def end_what_it_records_by(pair: Any) -> None:
    """All connections of the leader, but for the one that says that it leads."""
    with psycopg.connect(pair.dsn, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity, riskwarden_lead.leader "
            "WHERE application_name = process AND pid NOT IN "
            "(SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND pid IS NOT NULL)"
        )


def test_one_that_could_not_start_anew_makes_way_and_a_mistake_keeps_no_other_from_leading(
    make_pair: Any, words: Any
) -> None:
    pair = make_pair()
    pair.one.spawn()
    pair.await_leader(pair.one)
    pair.share_key()
    pair.other.spawn(("-c", _MISTAKEN))
    pair.wait_until(
        lambda: "worker left-behind fails with KeyError" in str(pair.probe(pair.other)),
        30,
        "it says what it does not do",
    )
    valid = pair.one.policy.read_text()
    pair.one.policy.write_text("[alerting")  # somebody is editing it
    end_what_it_records_by(pair)
    pair.await_leader(pair.other)
    assert pair.other.send("alerts", [words.alert(risk_id="drawdown/late")]).status_code == 200
    assert pair.probe(pair.one)[0] == 503
    assert "begins anew once it does" in str(pair.probe(pair.one)[1]["reasons"])
    assert "is not valid now; see riskwarden policy check" in str(pair.probe(pair.one)[1])
    assert not pair.one.gate_is_open()
    pair.one.policy.write_text(valid)
    pair.await_standby(pair.one)
