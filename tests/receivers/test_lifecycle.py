"""Episodes open and close with the alert, and with nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from incident_story import BASE, Kind, alert, at
from msgspec.structs import replace

from risk_policy.vocabulary import Severity
from risk_receivers.incidents.lifecycle import Change, Incident, State, Step, on_alert, on_clock
from risk_receivers.intake.alert import Alert, Feed

WORSE: Kind = (Severity.CRITICAL, "none")


def opened(**changes: float) -> Incident:
    return on_alert(None, alert(ends=changes.get("ends", 12)), at(0)).incident


def notified(**more: Any) -> Alert:
    return alert(feed=Feed.NOTIFICATIONS, **more)


def test_the_first_firing_creates_episode_one() -> None:
    step = on_alert(None, alert(), at(1))
    assert step.changes == (Change.CREATED,)
    assert (step.incident.episode, step.incident.state) == (1, State.CREATED)


@pytest.mark.parametrize("repeat", [alert(ends=15), alert(starts=2, ends=15), alert(starts=-5)])
def test_a_repeat_changes_nothing_whatever_start_time_it_carries(repeat: Alert) -> None:
    step = on_alert(opened(), repeat, at(3))
    assert step.changes == ()
    assert step.incident.starts_at == at(0)


def test_a_repeat_moves_the_time_until_which_it_counts_as_firing() -> None:
    assert on_alert(opened(), alert(ends=15), at(3)).incident.ends_at == at(15)
    assert on_alert(opened(), alert(ends=9), at(3)).incident.ends_at == at(12)


def test_an_end_that_may_be_none_ends_nothing_that_was_seen_firing() -> None:
    doubtful = replace(alert(firing=False, ends=9), is_certain=False)
    for last in (opened(), on_clock(opened(), at(13)).incident):
        assert on_alert(last, doubtful, at(14)) == Step(last)
    assert on_alert(None, doubtful, at(14)).changes == (Change.CREATED, Change.RESOLVED)
    resolved = on_alert(opened(), alert(firing=False, ends=9), at(10)).incident
    assert on_alert(resolved, doubtful, at(14)) == Step(resolved)


def test_an_end_that_may_be_none_hides_no_real_one_before_it() -> None:
    lease = replace(alert(firing=False, ends=12), is_certain=False)  # our clock is ahead
    unseen = on_alert(None, lease, at(3600)).incident
    renewed = on_alert(unseen, replace(lease, ends_at=at(16)), at(3604))
    assert renewed.changes == ()
    fires = on_alert(renewed.incident, alert(ends=3612), at(3605))
    assert fires.changes == (Change.CREATED,)
    assert on_alert(fires.incident, alert(firing=False, ends=11), at(12)).changes == (
        Change.RESOLVED,
    )


def test_an_end_that_may_be_none_of_a_firing_nobody_saw_is_an_episode() -> None:
    resolved = on_alert(opened(), alert(firing=False, ends=5), at(5)).incident
    later = replace(alert(firing=False, starts=20, ends=25), is_certain=False)
    step = on_alert(resolved, later, at(30))
    assert step.changes == (Change.CREATED, Change.RESOLVED)
    assert step.incident.episode == 2


def test_an_end_without_a_time_is_now_and_none_is_before_its_beginning() -> None:
    assert on_alert(opened(), alert(firing=False), at(5)).incident.ends_at == at(5)
    for said, end in ((None, 9), (7, 7), (3, 5)):
        hearsay = on_alert(None, notified(firing=False, starts=5, ends=said), at(9))
        assert hearsay.incident.ends_at == at(end)


def test_the_notification_feed_dispatches_once() -> None:
    first = on_alert(opened(), notified(), at(1))
    assert first.changes == (Change.DISPATCHED,)
    assert on_alert(first.incident, notified(), at(2)).changes == ()


def test_a_notification_that_comes_first_creates_and_dispatches() -> None:
    step = on_alert(None, notified(), at(1))
    assert step.changes == (Change.CREATED, Change.DISPATCHED)
    assert on_alert(step.incident, alert(ends=12), at(2)).changes == ()


def test_a_worse_alert_escalates_and_the_milder_one_beside_it_never_calms() -> None:
    step = on_alert(opened(), alert(WORSE), at(1))
    assert step.changes == (Change.ESCALATED,)
    again = on_alert(step.incident, alert(BASE), at(2))
    assert again.changes == ()
    assert again.incident.severity is Severity.CRITICAL


def test_firing_again_after_the_end_is_a_new_episode() -> None:
    resolved = on_alert(opened(), alert(firing=False, ends=5), at(5)).incident
    expired = on_clock(opened(), at(13)).incident
    assert (resolved.state, expired.state) == (State.RESOLVED, State.EXPIRED)
    for last in (resolved, expired):
        step = on_alert(last, alert(starts=20), at(20))
        assert step.changes == (Change.CREATED,)
        assert step.incident.episode == 2


def test_a_resolution_that_prometheus_repeats_for_minutes_counts_once() -> None:
    over = alert(firing=False, ends=5)
    resolved = on_alert(opened(), over, at(5)).incident
    assert on_alert(resolved, over, at(8)).changes == ()
    again = on_alert(resolved, alert(starts=10), at(10)).incident
    assert on_alert(again, over, at(11)).incident == again


def test_a_second_prometheus_that_still_fires_does_not_flap_with_the_first() -> None:
    over_there = alert(firing=False, ends=5)
    state = on_alert(opened(), over_there, at(5)).incident
    changes: list[Change] = []
    for second in range(6, 60, 3):
        for repeat in (alert(starts=-1, ends=second + 12), over_there):
            step = on_alert(state, repeat, at(second))
            state = step.incident
            changes += step.changes
    assert changes == [Change.CREATED]
    over_here = alert(firing=False, starts=-1, ends=60)
    assert on_alert(state, over_here, at(60)).changes == (Change.RESOLVED,)


def test_a_late_notification_does_not_reopen_what_the_alert_feed_resolved() -> None:
    resolved = on_alert(opened(), alert(firing=False, ends=5), at(5)).incident
    assert on_alert(resolved, notified(starts=0), at(6)).incident == resolved
    assert on_alert(resolved, notified(starts=5), at(6)).incident == resolved
    assert on_alert(resolved, notified(starts=6), at(6)).changes[0] is Change.CREATED


def test_a_notification_about_an_expired_incident_says_that_it_still_fires() -> None:
    expired = on_clock(opened(), at(13)).incident
    step = on_alert(expired, notified(starts=0), at(20))
    assert step.changes == (Change.CONTINUED, Change.DISPATCHED)
    assert (step.incident.episode, step.incident.state) == (1, State.DISPATCHED)
    anew = on_alert(expired, notified(starts=13), at(20))
    assert anew.changes == (Change.CREATED, Change.DISPATCHED)


def test_an_alert_that_fired_and_ended_while_nobody_listened_is_an_episode() -> None:
    step = on_alert(None, alert(firing=False, starts=0, ends=5), at(9))
    assert step.changes == (Change.CREATED, Change.RESOLVED)
    assert step.fired_unseen
    later = on_alert(step.incident, alert(firing=False, starts=20, ends=25), at(30))
    assert later.fired_unseen
    assert later.incident.episode == 2
    assert on_alert(later.incident, alert(firing=False, starts=20, ends=25), at(33)).changes == ()


def test_an_expired_incident_is_resolved_once_the_feed_says_so() -> None:
    expired = on_clock(opened(), at(13)).incident
    step = on_alert(expired, alert(firing=False, starts=0, ends=11), at(20))
    assert step.changes == (Change.RESOLVED,)
    assert step.incident.episode == 1


@pytest.mark.parametrize("end", [5, 12, 14])
def test_alertmanager_saying_resolved_ends_nothing(end: float) -> None:
    over = notified(firing=False, ends=end)
    told = on_alert(opened(), notified(), at(1)).incident
    for last in (opened(), told, on_clock(opened(), at(13)).incident):
        step = on_alert(last, over, at(15))
        assert step.changes == ()
        assert (step.incident.state, step.incident.ends_at) == (last.state, last.ends_at)
        assert [one.ends_at for one in step.incident.alerts] == [at(12)]
        assert on_alert(step.incident, over, at(16)).incident == step.incident
        ended = on_alert(step.incident, alert(firing=False, ends=5), at(17))
        assert ended.changes == (Change.RESOLVED,)


def test_what_only_alertmanager_ever_spoke_of_expires_once_it_says_resolved() -> None:
    told = on_alert(None, notified(), at(0)).incident
    lapsing = on_alert(told, notified(firing=False, ends=9), at(10)).incident
    assert lapsing.state is State.DISPATCHED
    assert on_clock(lapsing, at(11)).changes == (Change.EXPIRED,)
    heard = on_alert(lapsing, alert(ends=22), at(11)).incident
    assert on_clock(heard, at(12)).changes == ()


def test_a_firing_known_from_alertmanagers_resolution_only_is_an_episode_in_doubt() -> None:
    over = notified(firing=False, starts=0, ends=5)
    step = on_alert(None, over, at(9))
    assert step.changes == (Change.CREATED, Change.EXPIRED)
    assert step.fired_unseen
    assert on_alert(step.incident, over, at(10)) == Step(step.incident)
    assert on_alert(step.incident, alert(firing=False, ends=5), at(11)).changes == (
        Change.RESOLVED,
    )


def test_hearsay_of_another_firing_is_an_episode_in_doubt_that_nobody_was_told_of() -> None:
    told = on_alert(opened(), notified(), at(1)).incident
    resolved = on_alert(told, alert(firing=False, ends=5), at(5)).incident
    step = on_alert(resolved, notified(firing=False, starts=8, ends=9), at(10))
    assert step.changes == (Change.CREATED, Change.EXPIRED)
    assert (step.incident.episode, step.incident.is_in_doubt) == (2, True)
    assert step.incident.told_severity is None


def test_late_news_of_what_was_resolved_before_hearsay_revives_nothing() -> None:
    resolved = on_alert(opened(), alert(firing=False, ends=5), at(5)).incident
    hearsay = on_alert(resolved, notified(firing=False, starts=8, ends=9), at(10)).incident
    assert on_alert(hearsay, notified(starts=0), at(11)) == Step(hearsay)
    assert on_alert(hearsay, notified(starts=6), at(11)).changes[0] is Change.CONTINUED


def test_a_firing_that_ended_as_it_began_has_ended() -> None:
    assert on_alert(opened(), alert(firing=False, ends=0), at(1)).changes == (Change.RESOLVED,)
    told = on_alert(None, notified(), at(0)).incident
    lapsing = on_alert(told, notified(firing=False, ends=0), at(1)).incident
    assert on_clock(lapsing, at(2)).changes == (Change.EXPIRED,)


def test_hearsay_of_what_was_worse_is_kept_in_its_episode() -> None:
    known = on_alert(opened(), alert(ends=15), at(3)).incident
    resolved = on_alert(known, alert(firing=False, ends=9), at(9)).incident
    for last, doubt in ((known, True), (resolved, False)):
        step = on_alert(last, notified(kind=WORSE, firing=False, starts=4, ends=6), at(2))
        assert step.changes == (Change.ESCALATED, Change.DEESCALATED)
        assert (step.fired_unseen, step.incident.is_in_doubt) == (True, doubt)
        assert step.incident.last_seen_at == last.last_seen_at
        assert (step.incident.state, step.incident.ends_at) == (last.state, last.ends_at)
        later = on_alert(last, notified(kind=WORSE, firing=False, starts=4, ends=6), at(20))
        assert later.incident.last_seen_at == at(20)
        as_bad: Kind = (Severity.WARNING, "trend")
        same = on_alert(last, notified(kind=as_bad, firing=False, starts=4, ends=6), at(20))
        assert (same.changes, same.fired_unseen) == ((), True)


def test_what_began_when_its_incident_expired_continues_it() -> None:
    expired = on_clock(opened(), at(13)).incident
    assert on_alert(expired, alert(starts=12, ends=32), at(20)).changes == (Change.CONTINUED,)
    assert on_alert(expired, alert(starts=12.001, ends=32), at(20)).changes == (Change.CREATED,)


def test_an_expired_incident_that_is_repeated_again_continues() -> None:
    told = on_alert(opened(), notified(), at(1)).incident
    for last, state in ((opened(), State.CREATED), (told, State.DISPATCHED)):
        expired = on_clock(last, at(13)).incident
        step = on_alert(expired, alert(starts=0, ends=32), at(20))
        assert step.changes == (Change.CONTINUED,)
        assert (step.incident.episode, step.incident.state) == (1, state)
        assert step.incident.ends_at == at(32)
        assert on_clock(step.incident, at(33)).changes == (Change.EXPIRED,)


def test_a_breach_that_began_after_the_last_known_one_lapsed_unnoticed_is_a_new_one() -> None:
    last = opened(ends=12)
    step = on_alert(last, alert(starts=12.5, ends=30), at(20))
    assert step.closed is not None
    assert (step.closed.episode, step.closed.state) == (1, State.EXPIRED)
    assert step.changes == (Change.CREATED,)
    assert (step.incident.episode, step.incident.starts_at) == (2, at(12.5))
    same = on_alert(last, alert(starts=12, ends=30), at(20))
    assert (same.closed, same.changes) == (None, ())


@pytest.mark.parametrize(("now", "state"), [(12, State.CREATED), (12.001, State.EXPIRED)])
def test_an_incident_expires_once_the_end_of_its_alert_has_passed(now: float, state: State) -> None:
    assert on_clock(opened(ends=12), at(now)).incident.state is state


def test_an_incident_nobody_set_an_end_for_does_not_expire() -> None:
    incident = on_alert(None, notified(), at(0)).incident
    assert on_clock(incident, at(1_000_000)).changes == ()


def test_a_closed_incident_does_not_expire() -> None:
    resolved = on_alert(opened(), alert(firing=False, ends=5), at(5)).incident
    assert on_clock(replace(resolved, ends_at=at(5)), at(99)).changes == ()
