"""What is written down of silences, given what was known: each once, and none is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from risk_receivers.acks.client import Listing
from risk_receivers.acks.plan import Planned, Seen, of_step, plan, prolonged, unaccounted
from risk_receivers.acks.silences import Breach, Matcher, Silence, SilenceState, ack_matchers
from risk_receivers.acks.state import Change, Muting, Standing, Step, removed

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
MATCHERS = ack_matchers("drawdown/main", "warning")


def breach(tier: str = "warning", risk_id: str = "drawdown/main") -> Breach:
    labels = {"alertname": "DRAWDOWN", "risk_id": risk_id, "tier": tier}
    return Breach(risk_id, tier, labels, f"{risk_id}:{tier}:1")


def listed(
    name: str = "s1",
    matchers: tuple[Matcher, ...] = MATCHERS,
    state: SilenceState = SilenceState.ACTIVE,
) -> Silence:
    return Silence(name, matchers, NOW, NOW + HOUR, state, "olga", "on it")


def ack(name: str = "s1", standing: Standing = Standing.ACTIVE) -> Muting:
    return Muting(
        name, standing, MATCHERS, NOW, NOW + HOUR, "olga", "on it", NOW,
        tiers=("warning",), incident="drawdown/main:warning:1",
    )  # fmt: skip


def planned(
    *known: Muting,
    said: Seen | None = None,
    firing: Sequence[Breach] = (breach(),),
    now: datetime = NOW,
) -> list[Planned]:
    return plan({one.id: one for one in known}, said or Seen(), firing, now)


def test_a_listing_is_asked_about_what_it_leaves_out_and_should_have() -> None:
    known = {
        one.id: one
        for one in (
            ack("listed"),
            ack("unreadable"),
            ack("left out"),
            ack("over", Standing.LAPSED),
            ack("asked for", Standing.REQUESTED),
        )
    }
    listing = Listing((listed("listed"),), frozenset({"unreadable"}))
    assert unaccounted(known, listing) == ["left out"]


def test_a_silence_nobody_knew_is_written_down_with_the_worst_incident_that_it_acknowledges() -> (
    None
):
    matchers = ack_matchers("drawdown/main", "critical")
    others = breach("emergency"), breach("critical", "drawdown/other")
    firing = [*others, breach(), breach("critical")]
    (one,) = planned(said=Seen((listed(matchers=matchers),)), firing=firing)
    assert (one.before, one.change) == (None, Change.ACKNOWLEDGED)
    assert one.after.tiers == ("warning", "critical")
    assert one.after.incident == "drawdown/main:critical:1"
    assert not one.lost_ack
    milder = [breach("warning")]
    assert planned(one.after, firing=milder) == [], "for which one it was given stays"
    assert planned(one.after, said=Seen((listed(matchers=matchers),)), firing=firing) == []


def test_what_is_not_listed_goes_on_until_its_end_unless_alertmanager_says_that_it_is_gone() -> (
    None
):
    assert planned(ack()) == []
    (lost,) = planned(ack(), said=Seen(gone=frozenset({"s1"})))
    assert (lost.after.standing, lost.change) == (Standing.REMOVED, Change.ENDED)
    assert lost.lost_ack
    (over,) = planned(ack(), now=NOW + HOUR)
    assert (over.after.standing, over.lost_ack) == (Standing.LAPSED, True)
    assert planned(over.after, said=Seen(gone=frozenset({"s1"})), now=NOW + HOUR) == []
    nameless = replace(over.after, id="s0", incident="")
    gone = planned(nameless, ack(), said=Seen(gone=frozenset({"s1"})))
    assert [one.after.id for one in gone] == ["s1"], "what is over stays as it is"
    silence = replace(ack(), tiers=())
    assert not planned(silence, now=NOW + HOUR)[0].lost_ack, "it acknowledged nothing"


def test_what_is_listed_with_another_end_is_moved_and_has_not_lapsed() -> None:
    longer = replace(listed(), ends_at=NOW + 2 * HOUR)
    (one,) = planned(ack(), said=Seen((longer,)), now=NOW + 1.5 * HOUR)
    assert (one.change, one.after.standing) == (Change.MOVED, Standing.ACTIVE)


def test_a_request_becomes_the_silence_that_was_asked_for_and_no_other() -> None:
    request = ack("request:1", Standing.REQUESTED)
    (found,) = planned(request, said=Seen((listed(),)))
    assert (found.before, found.after.id) == (request, "s1")
    assert found.change is Change.ACKNOWLEDGED
    for other in (
        replace(listed(), author="bob"),
        replace(listed(), comment="other words"),
        listed(matchers=ack_matchers("drawdown/main", "critical")),
    ):
        (made,) = planned(request, said=Seen((other,)))
        assert made.before is None
    first, second = planned(request, said=Seen((listed(), listed("s2"))))
    assert (first.before, second.before) == (request, None), "one request, one silence"
    (made,) = planned(ack(), said=Seen((listed(), listed("s2"))))
    assert (made.before, made.after.id) == (None, "s2"), "no request, and so another silence"
    nameless = replace(request, incident="")
    (unheard,) = planned(nameless, said=Seen((listed(),)), firing=())
    assert (unheard.change, unheard.after.incident) == (Change.ACKNOWLEDGED, "")


def test_a_request_without_a_silence_fails_in_the_end() -> None:
    request = ack("request:1", Standing.REQUESTED)
    assert planned(request) == []
    (failed,) = planned(request, now=NOW + HOUR)
    assert (failed.after.standing, failed.change) == (Standing.FAILED, None)


def test_who_silences_too_much_is_told_on_once_and_never_for_what_is_over() -> None:
    everything = (Matcher("account", ".+", is_regex=True),)
    (made,) = planned(said=Seen((listed(matchers=everything),)), firing=[])
    assert made.after.excess
    assert (made.grew_too_broad, made.covers_kill) == (True, True)
    assert planned(made.after, said=Seen((listed(matchers=everything),)), firing=[]) == []
    (moved,) = planned(
        made.after,
        said=Seen((replace(listed(matchers=everything), comment="longer"),)),
        firing=[],
    )
    assert (moved.change, moved.grew_too_broad) == (Change.MOVED, False)
    request = replace(ack("request:1", Standing.REQUESTED), matchers=everything)
    assert planned(request, firing=[]) == [], "Alertmanager may refuse it"
    gone = listed(matchers=everything, state=SilenceState.EXPIRED)
    (over,) = planned(said=Seen((gone,)), firing=[])
    assert (over.after.excess, over.grew_too_broad) == ((), False)
    assert not planned(said=Seen((listed(),)))[0].after.excess


def test_a_silence_grows_too_broad_when_what_it_was_given_for_no_longer_fires() -> None:
    all_tiers = (Matcher("risk_id", "drawdown/main"),)
    firing = [breach(tier) for tier in ("warning", "critical", "emergency")]
    (made,) = planned(said=Seen((listed(matchers=all_tiers),)), firing=firing)
    assert (made.after.excess, made.grew_too_broad, made.covers_kill) == ((), False, False)
    forgotten = replace(made.after, tiers=())
    (grown,) = planned(forgotten, said=Seen((listed(matchers=all_tiers),)), firing=[])
    assert (grown.before, grown.grew_too_broad, grown.covers_kill) == (forgotten, True, True)


def test_a_step_that_changes_nothing_is_not_written_down() -> None:
    known = planned(said=Seen((listed(),)))[0].after
    assert of_step(known, Step(known), [breach()]) == []
    (taken_back,) = of_step(known, removed(known, NOW), [breach()])
    assert (taken_back.change, taken_back.lost_ack) == (Change.ENDED, True)
    (quietly,) = of_step(known, Step(replace(known, standing=Standing.FAILED)), [breach()])
    assert quietly.change is None


def test_a_longer_one_keeps_its_id_or_replaces_the_one_before() -> None:
    end, later = NOW + 2 * HOUR, NOW + timedelta(minutes=59)
    (same,) = prolonged(ack(), "s1", end, later)
    assert not same.covers_kill
    assert (same.before, same.after, same.change) == (
        ack(), replace(ack(), ends_at=end), Change.MOVED
    )  # fmt: skip
    old, new = prolonged(ack(), "s2", end, later)
    assert (old.after.id, old.after.standing, old.after.ended_at) == (
        "s1", Standing.REMOVED, later
    )  # fmt: skip
    assert new.before == ack("s2")
    assert (new.after, new.change, new.lost_ack) == (
        replace(ack("s2"), ends_at=end), Change.MOVED, False
    )  # fmt: skip
