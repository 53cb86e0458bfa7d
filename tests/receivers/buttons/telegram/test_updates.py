"""What became of a press, written under a message that may be as long as messages get."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from risk_receivers.buttons.telegram_updates import Chat, Shown, with_status
from risk_receivers.channels.cutting import units

TEXTS = st.text(st.sampled_from("a \n😀▸é<&"), min_size=1, max_size=60)
ENTITIES = st.lists(
    st.fixed_dictionaries(
        {"type": st.just("bold"), "offset": st.integers(-5, 5000), "length": st.integers(1, 5000)}
    ),
    max_size=4,
)


@given(TEXTS, st.integers(1, 300), ENTITIES, st.lists(TEXTS, min_size=1, max_size=3))
def test_the_latest_stands_below_once_and_everything_fits(
    text: str, times: int, entities: list[dict[str, object]], statuses: list[str]
) -> None:
    message = Shown(1, Chat(1), text * times, entities)
    for status in statuses:
        below, kept = with_status(message, status)
        assert units(below) <= 4096
        assert below.endswith(f"\n\n▸ {status}".replace("\x00", " "))
        for entity in kept:
            assert 0 <= entity["offset"] < entity["offset"] + entity["length"] <= units(below)
        message = Shown(1, Chat(1), below, [dict(one) for one in kept])


def test_an_earlier_one_is_replaced() -> None:
    message = Shown(1, Chat(1), "drawdown\n\n▸ Acknowledged by a.")
    assert with_status(message, "Taken back.")[0] == "drawdown\n\n▸ Taken back."
