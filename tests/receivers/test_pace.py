"""Which message is tried next: none is forgotten, none holds up the others, none is rushed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from risk_receivers.channels.outbox import Waiting
from risk_receivers.channels.pace import LAST_RETRY_SECONDS, Pace, spread

LONG = 10_000.0
SUBJECTS = "abc"
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("owe"), st.sampled_from(SUBJECTS)),
        st.tuples(st.just("round"), st.sets(st.integers(1, 12), max_size=6)),
        st.tuples(st.just("wait"), st.floats(0, 40)),
    ),
    max_size=60,
)


def waiting(*subjects: str) -> list[Waiting]:
    return [Waiting(number, subject) for number, subject in enumerate(subjects, 1)]


def play(pace: Pace, letters: list[Waiting], now: float, poison: set[int]) -> list[Waiting]:
    """One round as a courier goes through it: poison fails, the rest arrives and is taken off."""
    arrived: list[Waiting] = []
    while turns := pace.turns(letters, now):
        stuck: set[str] = set()
        for one in turns:
            if pace.is_resting(now):
                break
            if one.subject in stuck:
                continue
            if one.number in poison:
                pace.failed(one.number, now)
                stuck.add(one.subject)
            else:
                before = [x for x in letters if x.subject == one.subject and x.number < one.number]
                assert before == [], "what was said before it is still owed"
                pace.delivered(one.number)
                letters.remove(one)
                arrived.append(one)
    return arrived


@given(STEPS)
def test_within_a_subject_nothing_overtakes_and_in_the_end_all_but_the_poisonous_arrives(
    steps: list[tuple[str, object]],
) -> None:
    pace, now, number = Pace(), 0.0, 0
    letters: list[Waiting] = []
    poison: set[int] = set()
    for step, value in steps:
        if step == "owe":
            number += 1
            letters.append(Waiting(number, str(value), urgent=value == "a"))
        elif step == "wait":
            now += float(str(value))
        else:
            assert isinstance(value, set)
            poison = value
            play(pace, letters, now, poison)
    for _ in range(4 * len(letters) + 1):  # time enough for each to have had its turn
        now += LAST_RETRY_SECONDS
        play(pace, letters, now, poison)
    held = {one.subject for one in letters if one.number in poison}
    assert {one.subject for one in letters} == held
    for subject in held:
        first = next(one for one in letters if one.subject == subject)
        assert first.number in poison


def test_two_failures_in_a_row_are_the_channels_and_one_is_not() -> None:
    pace = Pace()
    letters = waiting("a", "b", "c")
    pace.failed(1, 0)
    assert not pace.is_resting(0)
    assert [one.number for one in pace.turns(letters, 0)] == [2, 3]
    pace.failed(2, 0)
    assert pace.is_resting(0)
    assert pace.turns(letters, 0) == []
    woken = pace.next_in(0)
    assert woken is not None
    assert pace.turns(letters, woken)[0].number == 3, "it has had no turn yet"


def test_a_channel_that_asks_to_be_left_alone_is_left_alone_for_so_long() -> None:
    pace = Pace()
    pace.failed(1, 0)
    pace.rest(0, 90)
    assert pace.turns(waiting("a", "b"), 89.9) == []
    assert pace.next_in(0) == 90
    assert pace.turns(waiting("a", "b"), 90)


@given(st.integers(1, 40))
def test_pauses_double_up_to_a_bound_and_are_spread(tries: int) -> None:
    shortest, longest = Pace(lambda pause: pause / 2), Pace(lambda pause: pause)
    for pace in (shortest, longest):
        for _ in range(tries):
            pace.failed(1, 0, by_itself=True)
    most = min(0.5 * 2 ** (tries - 1), LAST_RETRY_SECONDS)
    assert (shortest.next_in(0), longest.next_in(0)) == (most / 2, most)
    assert most / 2 <= spread(most) <= most
    assert len({spread(most) for _ in range(20)}) > 1


def test_one_that_fails_while_others_arrive_is_told_from_a_channel_that_is_down() -> None:
    pace = Pace()
    pace.failed(1, 0)
    assert not pace.is_alone(1)
    pace.delivered(2)
    assert pace.is_alone(1)
    assert not pace.is_alone(3), "it never failed"


def test_an_emergency_goes_before_all_that_waits_and_waits_for_nothing_that_failed() -> None:
    pace = Pace()
    letters = [Waiting(1, "a"), Waiting(2, "b"), Waiting(3, "x", True), Waiting(4, "x", True)]
    assert [one.number for one in play(pace, [*letters], 0, set())] == [3, 4, 1, 2]
    assert play(pace, letters, 0, {1, 3}) == [], "two failed: the channel is left alone"
    woken = pace.next_in(0)
    assert woken is not None
    first, then, *_ = play(pace, letters, woken + 1, set())
    assert first.number == 2, "it has had no turn yet"
    assert then.number == 3


def test_a_channel_that_was_shown_to_work_is_tried_with_everything_at_once() -> None:
    pace, letters = Pace(), waiting("a", "b", "c")
    assert play(pace, letters, 0, {1, 2, 3}) == []
    pace.rest(0, 3600)
    pace.proven()
    assert [one.number for one in play(pace, letters, 0, set())] == [3, 1, 2]


def test_what_is_new_waits_for_no_pause_but_one_that_was_asked_for() -> None:
    pace, letters = Pace(), waiting("a", "b", "a", "c", "d")
    play(pace, letters[:2], 0, {1, 2})
    assert pace.is_resting(0)
    pace.knocked()
    assert [one.number for one in pace.turns(letters, 0)] == [4], "one at a time, and in order"
    assert pace.turns(letters, 0) == []
    pace.rest(0, 90)
    pace.knocked()
    assert pace.turns(letters, 89) == []
