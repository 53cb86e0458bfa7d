"""Acknowledgements against the real Alertmanager, trap by trap."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

WARNING = "drawdown/main:warning:1"
CRITICAL = {"name": "DRAWDOWN_CRITICAL", "tier": "critical", "severity": "critical"}


def test_an_acknowledged_alert_is_quiet_and_its_escalation_too(people: Any) -> None:
    people.fire()
    people.await_told("firing")
    answer = people.ack(**{"for": "2h"})
    assert answer["tiers"] == ["warning"]
    assert "tier critical: people are told" in answer["does_not_cover"][0]
    assert people.incident()["state"] == "ACKNOWLEDGED"
    assert people.incident()["acknowledged"]["author"] == "olga"
    until = people.acked_until()
    assert until is not None
    assert 7190 < until - time.time() < 7210

    people.fire(severity="critical", escalation="time")
    people.wait_until(
        lambda: [
            one
            for one in people.alertmanager.alerts()
            if one["labels"]["severity"] == "critical" and one["status"]["silencedBy"]
        ],
        what="the escalated one is silenced",
    )
    # Another alert, told after it, shows that the escalated one would have been.
    people.fire(risk_id="drawdown/other")
    people.await_told("firing", "drawdown/other:warning:1")
    assert people.told(incident=WARNING) == [(WARNING, "firing")]
    assert people.incident()["severity"] == "critical"


def test_an_alert_whose_risk_id_is_too_long_to_be_found_by_is_acknowledged_all_the_same(
    people: Any,
) -> None:
    about = f"drawdown/{'x' * 300}"
    people.fire(risk_id=about)
    incident = people.receivers.call("GET", "/api/v1/alerts").json()["alerts"][0]["id"]
    people.await_told("firing", incident)
    assert people.ack(incident)["tiers"] == ["warning"]
    assert people.incident(incident)["state"] == "ACKNOWLEDGED"
    assert people.acked_until(risk_id=about) is not None  # rules join it by the label
    people.wait_until(
        lambda: all(one["status"]["silencedBy"] for one in people.alertmanager.alerts()),
        what="Alertmanager keeps it quiet",
    )
    people.unack(incident)
    assert people.incident(incident)["state"] != "ACKNOWLEDGED"


def test_a_worse_tier_is_told_although_the_milder_one_is_acknowledged(people: Any) -> None:
    people.fire()
    people.await_told("firing")
    people.ack()
    people.fire(**CRITICAL)
    people.await_told("firing", "drawdown/main:critical:1")
    assert people.incident("drawdown/main:critical:1")["state"] == "DISPATCHED"
    assert people.acked_until("critical") is None
    found = people.receivers.call("GET", "/api/v1/alerts/open").json()
    assert [one["tier"] for one in found["alerts"]] == ["critical", "warning"]
    assert (found["waiting"], found["acknowledged"]) == ({"critical": 1}, {"warning": 1})


def test_no_acknowledgement_keeps_the_kill_switch_from_tripping(people: Any, words: Any) -> None:
    people.alertmanager.silence('account=~".*"', 'alertname=~".+"')
    people.wait_until(lambda: people.acks(), what="the silence is seen")
    people.fire(**words.emergency)
    assert people.receivers.status()["kill_switch"]["state"] == "TRIPPED"
    assert people.receivers.gate_says_halt()


def test_fire_ack_resolve_unack_fire_again_is_told(people: Any) -> None:
    people.fire()
    people.await_told("firing")
    people.ack()
    people.resolve()
    people.wait_until(lambda: people.incident()["state"] == "RESOLVED")
    people.unack()
    assert not people.told("ack_lost"), "there is nothing left to take on"
    people.fire()
    again = "drawdown/main:warning:2"
    # Alertmanager says nothing: for it, this was told.
    people.await_told("firing", again)
    (body,) = people.receivers.rows(
        "SELECT body FROM message WHERE subject = ? AND channel = 'console'", again
    )[0]
    assert b"told by the receivers" in body
    assert people.incident(again)["dispatched"]
    (event,) = [e for e in people.events("ALERT_DISPATCHED") if e.payload.alert_id == again]
    assert "told by the receivers" in event.payload.message
    # Once, whoever else says it later.
    people.receivers.send("notifications", people.words.webhook(people.words.alert()))
    assert people.told("firing", again) == [(again, "firing")]


def test_what_is_silenced_or_inhibited_is_not_told_behind_its_back(people: Any) -> None:
    people.alertmanager.silence('risk_id="drawdown/silenced"')
    people.fire(risk_id="drawdown/silenced")
    people.fire(**CRITICAL)
    people.await_told("firing", "drawdown/main:critical:1")
    people.fire()
    people.wait_until(
        lambda: [one for one in people.alertmanager.alerts() if one["status"]["inhibitedBy"]],
        what="the milder tier is inhibited",
    )
    # What only the alert feed knows of is told after the same wait.
    people.fire("receivers", risk_id="drawdown/unheard")
    people.await_told("firing", "drawdown/unheard:warning:1")
    assert not people.told(incident="drawdown/silenced:warning:1")
    assert not people.told(incident=WARNING)


def test_taking_it_back_tells_people_again_and_restarts_escalation(people: Any) -> None:
    people.fire()
    people.await_told("firing")
    people.ack()
    people.unack()
    assert people.told("ack_lost", WARNING)
    assert people.alertmanager.active() == []
    assert people.acked_until() <= time.time()
    assert people.incident()["state"] == "DISPATCHED"
    (event,) = people.events("ALERT_ACK_ENDED")
    assert (event.payload.actor_id, event.payload.action_reason) == ("pavel", "wrong one")
    # It was answered once already: who takes it on again answers nothing that had waited since.
    people.ack()
    people.unack()
    answered = 'risk_acknowledgement_delay_seconds_count{severity="warning"}'
    assert people.receivers.metric(answered) == 1
    # The rules look back for an hour: a restart must not bring the old end back.
    people.receivers.kill()
    people.start_receivers()
    assert people.acked_until() <= time.time()


def test_a_silence_made_by_hand_is_an_acknowledgement_with_author_and_comment(people: Any) -> None:
    people.fire()
    people.await_told("firing")
    silence = people.alertmanager.silence('risk_id="drawdown/main"', 'tier="warning"')
    people.wait_until(lambda: people.incident()["state"] == "ACKNOWLEDGED")
    assert people.incident()["acknowledged"]["comment"] == "by hand"
    (event,) = people.events("ALERT_ACKNOWLEDGED")
    assert event.payload.alert_id == WARNING
    assert (event.payload.actor_type, event.payload.actor_id) == ("USER", "nadia")
    assert event.payload.details["silence"] == silence

    people.alertmanager.expire(silence)
    people.await_told("ack_lost")
    (event,) = people.events("ALERT_ACK_ENDED")
    assert event.payload.actor_type == "SYSTEM"
    assert "ended early" in event.payload.message
    assert people.acked_until() <= time.time()


def test_a_silence_on_a_whole_risk_id_is_ended_when_something_worse_than_it_fires(
    people: Any,
) -> None:
    people.fire()
    people.await_told("firing")
    silence = people.alertmanager.silence('risk_id="drawdown/main"')
    people.wait_until(lambda: people.incident()["state"] == "ACKNOWLEDGED")
    assert people.acked_until("critical") is None
    people.fire(**CRITICAL)
    people.await_told("firing", "drawdown/main:critical:1")
    (event,) = people.events("ALERT_ACK_ENDED")
    assert event.payload.details["standing"] == "VOIDED"
    assert event.payload.details["silence"] == silence
    assert "drawdown/main:critical:1 is worse" in event.payload.action_reason
    assert people.told("ack_lost", WARNING)


def test_a_silence_that_covers_too_much_is_told_to_people_past_alertmanager(people: Any) -> None:
    silence = people.alertmanager.silence('alertname=~".+"', 'account=~".*"')
    people.await_told("silence_too_broad", f"silence:{silence}")
    series = f'risk_silence_too_broad{{silence="{silence}"}}'
    assert people.receivers.metric(series) == 1
    (event,) = people.events("SILENCE_TOO_BROAD")
    assert "DRAWDOWN_EMERGENCY" in event.payload.message
    assert "nadia" in event.payload.message
    (created,) = people.events("SILENCE_CREATED")
    assert created.payload.actor_id == "nadia"
    # Whoever is told can end it on the spot.
    by, path = {"author": "olga", "comment": "too much"}, f"/api/v1/silences/{silence}"
    ended = people.receivers.call("DELETE", path, json=by)
    assert ended.status_code == 200, ended.text
    assert people.alertmanager.active() == []
    people.wait_until(lambda: people.receivers.metric(series) is None, what="it is over")
    assert people.receivers.call("DELETE", path, json=by).status_code == 404
    assert people.told("silence_too_broad") == [(f"silence:{silence}", "silence_too_broad")]


def test_an_expired_acknowledgement_is_told_again(people: Any) -> None:
    people.fire()
    people.await_told("firing")
    people.alertmanager.silence('risk_id="drawdown/main"', 'tier="warning"', lasting="2s")
    people.wait_until(lambda: people.incident()["state"] == "ACKNOWLEDGED")
    people.await_told("ack_lost")
    assert people.incident()["state"] == "DISPATCHED"
    (event,) = people.events("ALERT_ACK_ENDED")
    assert event.payload.details["standing"] == "LAPSED"


def test_a_resolution_is_known_although_alertmanager_is_silenced(people: Any) -> None:
    people.fire()
    people.await_told("firing")
    people.ack()
    people.resolve()
    assert people.incident()["state"] == "RESOLVED"
    people.wait_until(lambda: people.told("resolved", WARNING), what="told that it is over")


def test_alertmanager_away_nothing_is_forgotten_and_everything_runs_out(people: Any) -> None:
    people.fire()
    people.await_told("firing")
    # Long enough for a busy machine to look at it before it is over.
    until = people.ack(**{"for": "10s"})["until"]
    seen = "risk_silences_synchronised"
    people.alertmanager.stop()
    people.wait_until(lambda: people.receivers.metric(seen) == 0, what="the metric says so")
    assert people.incident()["acknowledged"]["until"] == until
    refused = people.receivers.call(
        "POST", f"/api/v1/alerts/{WARNING}/acknowledge", json={"author": "o", "comment": "c"}
    )
    assert refused.status_code == 503
    assert "Alertmanager does not answer" in refused.json()["detail"]
    people.await_told("ack_lost")
    # What fires meanwhile is told all the same.
    people.fire("receivers", risk_id="drawdown/meanwhile")
    people.await_told("firing", "drawdown/meanwhile:warning:1")
    people.alertmanager.start()
    people.wait_until(lambda: people.receivers.metric(seen) == 1, what="it is seen again")
    # The request that never got through does not count, now or later.
    assert people.incident()["state"] == "DISPATCHED"


def test_a_silence_that_alertmanager_has_lost_is_no_acknowledgement(people: Any) -> None:
    people.fire()
    people.await_told("firing")
    people.ack()
    people.alertmanager.lose_everything()
    people.await_told("ack_lost")
    assert people.incident()["state"] == "DISPATCHED"


def test_a_crash_between_making_a_silence_and_writing_it_down_loses_no_acknowledgement(
    people: Any,
) -> None:
    people.fire()
    people.await_told("firing")
    people.receivers.process.send_signal(signal.SIGSTOP)  # it sees nothing of what is made now
    silence = people.alertmanager.silence('risk_id="drawdown/main"', 'tier="warning"')
    people.receivers.kill()
    people.start_receivers()
    people.wait_until(lambda: people.incident()["state"] == "ACKNOWLEDGED")
    (event,) = people.events("ALERT_ACKNOWLEDGED")
    assert event.payload.details["silence"] == silence


def test_what_may_not_be_acknowledged_is_refused_with_the_reason(people: Any) -> None:
    people.fire()

    def answer(incident: str, how: Any = "POST", **body: Any) -> tuple[int, str]:
        full = {"author": "olga", "comment": "on it", **body}
        path = f"/api/v1/alerts/{incident}/acknowledge"
        got = people.receivers.call(how, path, json=full)
        return got.status_code, got.json().get("detail", "")

    assert answer("drawdown/main:warning:7") == (
        409, f"drawdown/main:warning:7 is not open; try {WARNING}",
    )  # fmt: skip
    code, error = answer(WARNING, **{"for": "9h"})
    assert (code, "alerting.acknowledgement.max_minutes" in error) == (400, True)
    for wrong in ("2 hours", "", "h", "-1h", 7, "0s"):
        assert answer(WARNING, **{"for": wrong})[0] == 400, wrong
    assert answer(WARNING, comment=" ")[0] == 400
    assert answer(WARNING, "DELETE")[0] == 409
    assert answer("no/such:warning:1", "DELETE")[0] == 404
    people.resolve()
    people.wait_until(lambda: people.incident()["state"] == "RESOLVED")
    assert answer(WARNING)[0] == 409
    assert people.alertmanager.silences() == []


def test_a_hung_alertmanager_holds_back_neither_the_kill_switch_nor_the_alert_feed(
    people: Any, words: Any
) -> None:
    people.fire()
    people.await_told("firing")
    people.alertmanager.process.send_signal(signal.SIGSTOP)
    try:
        seen = "risk_silences_synchronised"
        people.wait_until(lambda: people.receivers.metric(seen) == 0, what="the metric says so")
        started = time.monotonic()
        people.fire("receivers", **words.emergency)
        assert people.receivers.gate_says_halt()
        assert time.monotonic() - started < 1

        def ack(_: int) -> int:
            path = f"/api/v1/alerts/{WARNING}/acknowledge"
            answer = people.receivers.call("POST", path, json={"author": "o", "comment": "c"})
            return int(answer.status_code)

        # However many people try to acknowledge, there is room for a kill.
        with ThreadPoolExecutor(20) as crowd:
            asked = [crowd.submit(ack, n) for n in range(20)]
            people.wait_until(lambda: sum(one.done() for one in asked) >= 18, what="refused")
            started = time.monotonic()
            assert people.receivers.operator_kill("immediate").status_code == 200
            assert time.monotonic() - started < 1
            assert {one.result() for one in asked} == {503}
        assert people.receivers.call("GET", "/readyz").status_code == 200
    finally:
        people.alertmanager.process.send_signal(signal.SIGCONT)
    # What was asked for may have been done after all; then it is found, and told as it is.
    people.wait_until(
        lambda: (
            people.receivers.metric(seen) == 1
            and (people.incident()["state"] == "ACKNOWLEDGED") == bool(people.alertmanager.active())
        ),
        what="both agree",
    )


def test_silences_that_are_over_are_put_on_record_once_whatever_restarts(people: Any) -> None:
    silence = people.alertmanager.silence('risk_id="drawdown/main"', 'tier="warning"')
    people.wait_until(lambda: people.events("SILENCE_CREATED"), what="it is on record")
    people.alertmanager.expire(silence)
    people.wait_until(lambda: people.events("SILENCE_ENDED"), what="its end is on record")
    people.receivers.kill()
    unseen = people.alertmanager.silence('risk_id="drawdown/b"', 'tier="warning"')
    people.alertmanager.expire(unseen)
    people.start_receivers()
    people.wait_until(lambda: len(people.events("SILENCE_CREATED")) == 2, what="the other, too")
    marker = people.alertmanager.silence('risk_id="drawdown/c"', 'tier="warning"')
    people.wait_until(
        lambda: any(
            e.payload.details["silence"] == marker for e in people.events("SILENCE_CREATED")
        ),
        what="another look",
    )
    assert len(people.events("SILENCE_CREATED")) == 3
    assert len(people.events("SILENCE_ENDED")) == 1
    assert people.events("SILENCE_CREATED")[1].payload.message.startswith("silence that is over")
