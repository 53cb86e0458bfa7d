"""One alert of an incident: how it is kept, and a firing that was heard of by its end alone."""

from __future__ import annotations

import pytest
from incident_story import alert, at
from msgspec.structs import replace

from risk_receivers.incidents.held import Told, ended, fired
from risk_receivers.incidents.lifecycle import on_alert


def test_what_people_were_told_is_kept_as_these_numbers() -> None:
    assert {one.name: int(one) for one in Told} == {
        "NOTHING": 0, "FIRING": 1, "OVER": 2, "STALE": 3,
    }  # fmt: skip


def test_a_firing_that_was_heard_of_by_its_end_alone_began_when_its_end_says() -> None:
    first = fired(None, alert(ends=12))
    over = ended(first, alert(firing=False, ends=5), at(5))
    assert over is not None
    assert over.starts_at == at(0)
    again = ended(over, alert(firing=False, starts=20, ends=25), at(25))
    assert again == replace(over, starts_at=at(20), ends_at=at(25), counted_end=at(25))


def test_neither_an_incident_nor_what_it_holds_can_be_changed_behind_its_back() -> None:
    step = on_alert(None, alert(), at(0))
    held = step.incident.alerts[0]
    for one, name in ((step, "changes"), (step.incident, "state"), (held, "told")):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(one, name, getattr(one, name))
