"""What people are told when much happens: what is new at once, what repeats in a digest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from people_told import START, People

from risk_policy.vocabulary import Category, Severity
from risk_receivers.channels.message import Kind, Owed
from risk_receivers.intake.alert import Feed
from risk_receivers.templating.renderer import Renderer

LOUD = "[alerting.escalation.frequency_based]\nstorm_alert_at_count = 1000\n"


@pytest.fixture
def people() -> Iterator[People]:
    told = People()
    yield told
    told.close()


def test_a_breach_that_keeps_coming_back_is_told_once_and_then_in_a_digest(people: People) -> None:
    for _ in range(5):  # portfolio cools down for 120 s
        people.begins("var/main")
        people.after(2)
        people.ends("var/main")
        people.after(2)
    assert people.told() == [("firing", "var/main"), ("resolved", "var/main")]
    people.after(99)
    assert len(people.told()) == 2
    people.after(2)
    (digest,) = people.digests()
    assert digest.summary == "8 more of 4 incidents in the last 116 s: 4 warning"
    line = "- WARNING POSITION_LOSS_WARNING, over: var/main (8 messages)"
    assert digest.text == f"{digest.summary}:\n{line}"
    words = Renderer().render_for("email")(Owed("m1", digest, "3:abc")).text
    assert words.count(digest.summary) == words.count(line) == 1
    people.after(600)
    assert len(people.told()) == 3, "nothing is told again"


def test_whatever_is_said_of_a_breach_says_since_when_it_lasts(people: People) -> None:
    people.begins("loss/main/AAPL")
    people.after(60)
    people.begins("loss/main/AAPL", Severity.CRITICAL, escalation="time")
    people.after(60)
    people.ends_wholly("loss/main/AAPL", Feed.ALERTS, Feed.NOTIFICATIONS)
    assert [kind for kind, _ in people.told()] == ["firing", "escalated", "resolved"]
    assert {message.starts_at for message in people.messages()} == {START}
    words = Renderer().render_for("email")(Owed("m1", people.messages()[-1], "3:abc")).text
    assert "Since:    2026-03-01 12:00:00 UTC (2m 0s)" in words


def test_slack_names_what_it_counts_as_once(people: People) -> None:
    people.begins("loss/main/AAPL")
    people.begins("loss/main/AAPL", Severity.CRITICAL, escalation="time")
    slack = Renderer().render_for("slack")
    first, louder = (slack(Owed("m1", message, "3:abc")).text for message in people.messages())
    assert "*Status:* firing, warning\n" in first
    assert "*Status:* now counts as critical (escalated: time)\n" in louder


@pytest.mark.parametrize(
    ("category", "seconds"),
    [(Category.POSITION, 30), (Category.PORTFOLIO, 120), (Category.SYSTEM, 300),
     (Category.EXECUTION, 60)],
)  # fmt: skip
def test_each_category_has_its_own_cooldown(
    people: People, category: Category, seconds: int
) -> None:
    people.begins("a/b", category=category)
    people.ends("a/b", category=category)
    people.after(seconds - 1)
    people.begins("a/b", category=category)
    assert len(people.told()) == 2
    people.after(2)
    assert [kind for kind, _ in people.told()] == ["firing", "resolved", "digest"]
    people.ends("a/b", category=category)
    assert people.told()[-1] == ("resolved", "a/b"), "it was announced, if only in a digest"
    people.after(seconds + 1)
    people.begins("a/b", category=category)
    assert people.told()[-1] == ("firing", "a/b")


def test_a_breach_that_comes_back_worse_is_told_at_once(people: People) -> None:
    people.begins("var/main")
    people.ends("var/main")
    people.after(1)
    people.begins("var/main", Severity.CRITICAL)
    assert people.told()[-1] == ("firing", "var/main")
    assert people.messages()[-1].severity is Severity.CRITICAL


def test_one_that_expires_and_continues_again_and_again_is_told_of_both_once(
    people: People,
) -> None:
    began = people.now
    people.begins("var/main", lasts=5)
    for _ in range(4):
        people.after(10)
        people.expire()
        people.begins("var/main", lasts=5, starts=began)
    assert [kind for kind, _ in people.told()] == ["firing", "expired", "continued"]
    people.after(130)
    (digest,) = people.digests()
    assert "6 more of 1 incident" in digest.summary


def test_what_ends_while_its_beginning_waits_is_told_with_it_and_once(people: People) -> None:
    for number in range(12):
        people.begins(f"loss/{number}")
    people.after(5)
    for number in range(12):
        people.ends(f"loss/{number}")
    assert [kind for kind, _ in people.told()] == ["firing"] * 10 + ["storm"]
    people.after(120)
    assert [kind for kind, _ in people.told()][11:] == ["digest"]
    (digest,) = people.digests()
    assert digest.summary == "14 more of 12 incidents in the last 60 s: 12 warning"
    assert "loss/0, loss/1, " in digest.text
    assert "loss/11 (2 messages)" in digest.text


def test_an_end_that_alertmanager_tells_after_the_digest_did_is_not_told_again(
    people: People,
) -> None:
    for number in range(12):
        people.begins(f"loss/{number}")
    people.take(Feed.ALERTS, "loss/11", Severity.WARNING, firing=False)
    people.after(61)
    assert "over: loss/11" in people.digests()[0].text
    people.after(120)
    before = people.told()
    people.take(Feed.NOTIFICATIONS, "loss/11", Severity.WARNING, firing=False)
    people.ends("loss/3")
    assert people.told() == [*before, ("resolved", "loss/3")]


def test_a_storm_is_one_alert_and_a_digest_a_window_and_says_when_it_is_over(
    people: People,
) -> None:
    for second in range(150):
        people.begins(f"loss/{second}", Severity.CRITICAL if second % 7 == 0 else Severity.WARNING)
        people.after(1)
    people.after(300)
    told = people.told()
    assert [kind for kind, _ in told] == [
        *["firing"] * 10, "storm", "digest", "digest", "digest", "digest",
    ]  # fmt: skip
    storm, first, *_, last = people.messages()[10:]
    assert storm.title == "ALERT_STORM"
    assert storm.severity is Severity.CRITICAL
    assert "more than 10 alerts began within 60 s" in storm.summary
    assert "60 more of 60 incidents in the last 60 s" in first.summary
    assert "the next digest comes in 1m 0s" in first.text
    assert last.title == "ALERT_STORM OVER"
    assert "The alert storm is over after 4m 0s" in last.text
    named = " ".join(one.text for one in people.digests()).replace(",", " ").split()
    assert {f"loss/{second}" for second in range(10, 150)} <= set(named)
    assert len(people.events("STORM_BEGAN")) == len(people.events("STORM_ENDED")) == 1
    assert sum(sum(one.values()) for one in people.covered().values()) == 140
    people.begins("calm/again")
    assert people.told()[-1] == ("firing", "calm/again")


def test_a_storm_survives_a_restart(people: People) -> None:
    for number in range(15):
        people.begins(f"loss/{number}")
    people.restart()
    people.begins("loss/15")
    assert [kind for kind, _ in people.told()] == [*["firing"] * 10, "storm"]
    people.restart()
    people.after(61)
    assert people.digests()[0].summary.startswith("6 more of 6 incidents")


@pytest.mark.parametrize(
    ("severity", "more"),
    [
        (Severity.EMERGENCY, {}),
        (Severity.CRITICAL, {"action": "kill_switch"}),
        (Severity.INFO, {"category": Category.KILL_SWITCH}),
        (Severity.INFO, {"category": Category.SECURITY}),
        (Severity.WARNING, {"category": Category.SYSTEM}),
        (Severity.WARNING, {"category": Category.SYSTEM, "name": "RISK_CHANNEL_FAILING"}),
    ],
)
def test_what_never_waits_is_told_in_the_middle_of_a_storm(
    people: People, severity: Severity, more: dict[str, object]
) -> None:
    for number in range(30):
        people.begins(f"loss/{number}")
    for number in range(40):
        people.begins(f"loud/{number}", severity, **more)
    assert people.told()[11:] == [("firing", f"loud/{number}") for number in range(40)]


def test_that_a_channel_fails_again_is_told_at_once(people: People) -> None:
    failing: dict[str, Any] = {"category": Category.SYSTEM, "name": "RISK_CHANNEL_FAILING"}
    for _ in range(2):
        people.begins("channel_failing/email", **failing)
        people.after(1)
        people.ends("channel_failing/email", **failing)
        people.after(1)
    assert [kind for kind, _ in people.told()] == ["firing", "resolved"] * 2


def test_an_escalation_is_told_in_the_middle_of_a_storm(people: People) -> None:
    for number in range(30):
        people.begins(f"loss/{number}")
    people.begins("loss/29", Severity.CRITICAL, escalation="time")
    assert people.told()[-1] == ("escalated", "loss/29")
    people.ends("loss/29", Severity.CRITICAL, escalation="time")
    people.ends("loss/29")
    people.after(61)
    assert "CRITICAL POSITION_LOSS_WARNING, over: loss/29" in people.digests()[0].text
    assert people.told()[-1][0] == "digest"


def test_one_storm_is_told_once_whether_we_or_the_rules_see_it_first() -> None:
    rules = {"name": "ALERT_STORM", "category": Category.KILL_SWITCH}

    people = People()
    for number in range(12):
        people.begins(f"loss/{number}")
    people.begins("alert_storm/loss/warning", Severity.CRITICAL, **rules)
    assert [one.title for one in people.messages()].count("ALERT_STORM") == 1
    people.after(61)
    assert "CRITICAL ALERT_STORM, fires: alert_storm/loss/warning" in people.digests()[0].text
    people.close()

    people = People()
    people.begins("alert_storm/loss/warning", Severity.CRITICAL, **rules)
    for number in range(12):
        people.begins(f"loss/{number}")
    assert [one.title for one in people.messages()].count("ALERT_STORM") == 1
    (began,) = people.events("STORM_BEGAN").values()
    assert began.details["told_before"] is True
    people.close()


def test_a_channel_is_told_in_digests_of_what_it_would_have_been_told_of() -> None:
    people = People(channels={"all": Severity.DEBUG, "bad": Severity.CRITICAL})
    for number in range(12):
        people.begins(f"loss/{number}")
    people.begins("bad/one", Severity.CRITICAL)
    people.after(300)
    assert [one.kind for one in people.messages("bad")] == [Kind.STORM, Kind.DIGEST]
    (bad,), (everything,) = people.digests("bad"), people.digests()
    assert bad.summary == "1 more of 1 incident in the last 60 s: 1 critical"
    assert "loss/" not in bad.text
    assert "bad/one" in bad.text
    assert {"loss/10", "bad/one"} <= set(everything.text.replace(",", " ").split())
    people.close()


def test_a_channel_that_knows_of_a_storm_hears_of_its_end_even_if_nothing_waited_for_it() -> None:
    people = People(channels={"all": Severity.DEBUG, "bad": Severity.CRITICAL})
    for number in range(12):
        people.begins(f"loss/{number}")
    people.after(300)
    assert [one.title for one in people.messages("bad")] == ["ALERT_STORM", "ALERT_STORM OVER"]
    assert "loss" not in people.digests("bad")[0].text
    people.close()


def test_ends_beyond_the_rate_limit_wait_and_too_many_beginnings_are_a_storm() -> None:
    people = People(LOUD + "[alerting.rate_limits]\nwarning = 5\n")
    for number in range(4):
        people.begins(f"loss/{number}")
    for number in range(4):
        people.ends(f"loss/{number}")
    assert [kind for kind, _ in people.told()] == [*["firing"] * 4, "resolved"]
    people.begins("loss/other", Severity.CRITICAL)
    assert people.told()[-1] == ("firing", "loss/other"), "another severity has room of its own"
    people.begins("loss/new")
    storm = people.messages()[-1]
    assert storm.kind is Kind.STORM
    assert "more than 5 warning messages came within a minute" in storm.summary
    people.after(61)
    assert people.digests()[0].summary.startswith("4 more of 4 incidents")
    assert people.digests()[0].title == "ALERT_STORM OVER"
    people.close()


def test_everything_is_told_at_once_if_the_policy_wants_that() -> None:
    off = "".join(
        f"[alerting.{table}]\nenabled = false\n"
        for table in ("deduplication", "cooldown", "rate_limits")
    )
    people = People(off)
    for number in range(200):
        people.begins(f"loss/{number % 50}")
        people.after(1)
        people.ends(f"loss/{number % 50}")
        people.after(1)
    people.after(600)
    assert [kind for kind, _ in people.told()] == ["firing", "resolved"] * 200
    people.close()


def test_what_nobody_would_be_told_of_makes_no_storm() -> None:
    people = People(channels={"bad": Severity.CRITICAL})
    for number in range(50):
        people.begins(f"loss/{number}")
    people.begins("bad/one", Severity.CRITICAL)
    assert people.told("bad") == [("firing", "bad/one")]
    people.close()


def test_a_clock_that_is_set_back_keeps_nothing_waiting(people: People) -> None:
    people.begins("var/main")
    people.ends("var/main")
    people.begins("var/main")
    for number in range(12):
        people.begins(f"loss/{number}")
    people.transaction.now -= timedelta(days=400)
    people.after(61)
    named = " ".join(one.text for one in people.digests())
    assert "var/main" in named
    assert "loss/11" in named
    people.begins("new/one")
    assert people.told()[-1] == ("firing", "new/one")
