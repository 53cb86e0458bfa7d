"""The short form of `./dev chaos`: the harms that are quickly done, each on a stack of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from chaos.run import run
from chaos.scenarios import SCENARIOS

pytestmark = pytest.mark.stack
SHORT = [name for name, scenario in SCENARIOS.items() if scenario.short]


@pytest.mark.parametrize("name", SHORT)
def test_what_must_hold_holds_while_a_part_fails(name: str, tmp_path: Path) -> None:
    outcome = run(name, SCENARIOS[name], tmp_path / name, print)
    assert not outcome.trouble
    assert outcome.seen
    assert [one for one in outcome.seen if not one.held] == []
