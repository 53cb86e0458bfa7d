"""An incident holds every alert about its breach: open while one fires, as bad as the worst."""

from __future__ import annotations

from incident_story import (
    BASE,
    LATER,
    LEASE,
    OFTEN,
    TIME,
    TREND,
    alert,
    at,
    breached,
)

from risk_policy.vocabulary import Severity
from risk_receivers.incidents.held import Told
from risk_receivers.incidents.lifecycle import Change, State, on_unanswered
from risk_receivers.intake.alert import Feed


def test_the_end_of_an_escalation_is_not_the_end_of_the_incident() -> None:
    story = breached(TIME)
    assert story.changes == [Change.CREATED, Change.ESCALATED]
    assert story.ends(TIME, 5).changes == (Change.DEESCALATED,)
    assert (story.now.state, story.now.severity) == (State.CREATED, Severity.WARNING)
    assert story.ends(BASE, 6).changes == (Change.RESOLVED,)
    assert story.now.ends_at == at(6)


def test_the_end_of_the_base_alert_leaves_what_is_worse_open() -> None:
    story = breached(OFTEN)
    assert story.ends(BASE, 5).changes == ()
    assert (story.now.state, story.now.severity) == (State.CREATED, Severity.CRITICAL)
    assert story.fires(BASE, 7).changes == (), "the flapping breach is the same incident"
    assert story.ends(BASE, 8, starts=7).changes == ()
    assert story.ends(OFTEN, 9).changes == (Change.RESOLVED,)
    assert story.now.episode == 1


def test_a_trend_that_comes_and_goes_never_opens_an_episode_of_its_own() -> None:
    story = breached()
    for second in range(10, 60, 10):
        story.fires(BASE, second, starts=0)
        assert story.fires(TREND, second).changes == (Change.ESCALATED,)
        assert story.ends(TREND, second + 5, starts=second).changes == (Change.DEESCALATED,)
    assert story.now.episode == 1
    assert story.ends(BASE, 60).changes == (Change.RESOLVED,)


def test_only_what_is_worse_than_everything_that_fires_escalates() -> None:
    story = breached(TIME)
    assert story.fires(OFTEN, 1).changes == (), "critical already, for another reason"
    assert story.ends(TIME, 2).changes == (), "still critical"
    assert story.fires(LATER, 3).changes == (Change.ESCALATED,)
    assert story.ends(LATER, 4, starts=3).changes == (Change.DEESCALATED,)
    assert story.now.severity is Severity.CRITICAL


def test_one_alert_that_is_no_longer_repeated_lapses_alone() -> None:
    story = breached(TIME)
    story.fires(BASE, 9, starts=0)
    assert story.passes(13).changes == (Change.DEESCALATED,)
    assert story.now.state is State.CREATED
    assert story.passes(21).changes == ()
    assert story.passes(22).changes == (Change.EXPIRED,)


def test_an_incident_expires_with_the_last_of_its_alerts() -> None:
    story = breached(TIME)
    assert story.passes(LEASE).changes == ()
    assert story.passes(LEASE + 1).changes == (Change.EXPIRED,)
    assert story.now.severity is Severity.CRITICAL, "what it counted as in the end"


def test_an_expired_incident_is_resolved_once_all_that_lapsed_is_known_to_be_over() -> None:
    story = breached(TIME)
    story.passes(LEASE + 1)
    assert story.ends(TIME, 20, end=11).changes == ()
    assert story.now.state is State.EXPIRED
    assert story.ends(BASE, 21, end=11).changes == (Change.RESOLVED,)


def test_what_lapsed_is_over_once_its_feed_speaks_of_others_only() -> None:
    story = breached(TIME)
    story.fires(BASE, 9, starts=0)
    story.passes(13)
    story.fires(BASE, 14, starts=0)
    assert story.ends(BASE, 20).changes == (Change.RESOLVED,)
    assert not story.now.is_in_doubt


def test_an_alert_that_lapsed_long_ago_keeps_no_incident_in_doubt() -> None:
    story = breached(TIME)
    story.fires(BASE, 9, starts=0)
    story.passes(13)
    story.fires(BASE, 14, starts=0)
    story.passes(27)
    assert story.now.state is State.EXPIRED
    assert story.ends(BASE, 30, end=20).changes == (Change.RESOLVED,)

    earlier = breached(TIME)
    earlier.passes(13)
    earlier.fires(BASE, 20)
    earlier.passes(33)
    assert earlier.ends(BASE, 40, starts=20, end=30).changes == (Change.RESOLVED,)


def test_the_end_of_the_last_alert_is_the_end_even_if_another_lapsed_before() -> None:
    story = breached(TIME)
    story.fires(BASE, 9, starts=0)
    story.passes(13)
    assert story.ends(BASE, 14).changes == (Change.RESOLVED,)
    assert not story.now.is_in_doubt


def test_a_resolution_from_before_the_alert_fired_again_ends_nothing() -> None:
    story = breached()
    story.passes(13)
    story.fires(BASE, 20)
    assert story.ends(BASE, 21, end=11).changes == ()
    assert story.now.firing


def test_the_latest_of_several_ends_is_when_it_was_over() -> None:
    story = breached()
    story.ends(BASE, 5)
    assert story.ends(BASE, 8, end=7).changes == ()
    assert story.now.ends_at == at(7)
    assert story.told(TIME, 9, starts=6).changes == ()


def test_an_escalation_that_came_and_went_unheard_is_recorded_in_its_incident() -> None:
    story = breached()
    step = story.ends(TIME, 9, starts=3, end=8)
    assert step.changes == (Change.ESCALATED, Change.DEESCALATED)
    assert step.fired_unseen
    assert story.now.severity is Severity.WARNING
    assert not story.ends(TIME, 10, starts=3, end=8).fired_unseen
    story.ends(BASE, 11)
    again = story.ends(TIME, 14, starts=12, end=13)
    assert again.changes == (Change.CREATED, Change.RESOLVED)
    as_bad = breached(TIME).ends(OFTEN, 9, starts=3, end=8)
    assert (as_bad.changes, as_bad.fired_unseen) == ((), True)


def test_an_escalation_is_unheard_again_and_even_after_the_end() -> None:
    story = breached(TIME)
    story.ends(TIME, 5)
    again = story.ends(TIME, 9, starts=7, end=8)
    assert again.changes == (Change.ESCALATED, Change.DEESCALATED)
    story.ends(BASE, 11)
    late = story.ends(LATER, 12, starts=4, end=8)
    assert late.changes == (Change.ESCALATED, Change.DEESCALATED)
    assert (story.now.state, story.now.episode) == (State.RESOLVED, 1)


def test_a_late_notification_about_an_escalation_that_is_over_revives_nothing() -> None:
    story = breached(TIME)
    story.ends(TIME, 5)
    before = story.now
    assert story.told(TIME, 6, starts=0).incident == before
    story.ends(BASE, 7)
    for kind in (BASE, TIME, OFTEN):
        assert story.told(kind, 8, starts=0).changes == ()
    assert story.told(TIME, 9, starts=8).changes == (Change.CREATED, Change.DISPATCHED)


def test_what_was_told_of_one_alert_counts_when_the_incident_continues() -> None:
    story = breached(TIME)
    story.told(BASE, 1, starts=0)
    story.passes(13)
    assert story.fires(TIME, 20, starts=0).changes == (Change.CONTINUED,)
    assert story.now.state is State.DISPATCHED


def test_what_nobody_answers_for_any_more_is_told_again_when_it_comes_back_worse() -> None:
    story = breached(TIME)
    assert story.now.known_severity is None
    story.told(BASE, 1, starts=0)
    assert story.now.known_severity is Severity.WARNING
    story.told(TIME, 2, starts=0)
    story.ends(TIME, 3)
    assert story.now.known_severity is Severity.CRITICAL
    story.incident = on_unanswered(story.now)
    assert story.now.known_severity is Severity.WARNING, "what fires goes on being known"
    assert story.now.told_severity is Severity.CRITICAL
    story.told(TIME, 4, starts=4)
    assert story.now.known_severity is Severity.CRITICAL
    untold = breached(TIME)
    untold.ends(TIME, 3)
    assert on_unanswered(untold.now).told_severity is None


def test_people_know_of_what_was_told_before_hearsay_of_it_and_before_it_lapsed() -> None:
    story = breached(OFTEN)
    story.told(BASE, 1, starts=0)
    story.ends(BASE, 5)
    story.take(alert(BASE, feed=Feed.NOTIFICATIONS, starts=8, ends=9, firing=False), 10)
    assert story.now.told_severity is Severity.WARNING
    story.fires(OFTEN, 10, starts=0)
    assert story.ends(BASE, 11, starts=8, end=10).changes == ()
    assert next(one for one in story.now.alerts if one.escalation == "none").starts_at == at(8)

    story.fires(OFTEN, 20, starts=0)
    story.ends(BASE, 21, starts=18, end=20)
    assert next(one for one in story.now.alerts if one.escalation == "none").starts_at == at(18)

    lapsed = breached()
    lapsed.told(BASE, 1, starts=0)
    lapsed.take(alert(BASE, feed=Feed.NOTIFICATIONS, starts=0, ends=9, firing=False), 10)
    lapsed.fires(BASE, 11, starts=0)
    assert [one.told for one in lapsed.now.alerts] == [Told.OVER]
    lapsed.passes(24)
    lapsed.fires(BASE, 30, starts=0)
    assert [one.told for one in lapsed.now.alerts] == [Told.FIRING], "it is not over, as was said"
    never = breached()
    never.passes(13)
    never.fires(BASE, 20, starts=0)
    assert never.now.told_severity is None


def test_what_people_know_is_kept_by_the_numbers_that_stores_have() -> None:
    names = {one.name: one.value for one in Told}
    assert names == {"NOTHING": 0, "FIRING": 1, "OVER": 2, "STALE": 3}


def test_when_it_was_last_seen_never_goes_back() -> None:
    story = breached()
    story.fires(BASE, 9, starts=0)
    assert story.now.last_seen_at == at(9)
    story.fires(TIME, 7, starts=0)
    assert story.now.last_seen_at == at(9)
    for end in (10, 8):
        story.ends(TIME, end, end=7)
        assert story.now.last_seen_at == at(10)


def test_what_people_were_told_is_kept_until_the_next_episode() -> None:
    story = breached(TIME)
    assert story.now.told_severity is None
    story.told(BASE, 1, starts=0)
    assert story.now.told_severity is Severity.WARNING
    story.told(TIME, 2, starts=0)
    story.ends(TIME, 3)
    story.ends(BASE, 4)
    assert story.now.told_severity is Severity.CRITICAL
    story.fires(BASE, 5)
    assert story.now.told_severity is None
