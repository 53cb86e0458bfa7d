"""A wrong rule is judged by tests that pass without it, and differs in what people would see."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from risk_rules.proofs.families import Family, Mutant, families

Promtool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def family(parsed: Callable[[str], dict[str, Any]]) -> Callable[[str], Family]:
    found = {one.name: one for one in families(parsed("rules"), parsed("tests"),
                                               ("system", "guard"))}  # fmt: skip
    return found.__getitem__


def passes(mutant: Mutant, folder: Path, promtool: Promtool) -> bool:
    folder.mkdir()
    (folder / "rules.yml").write_text(json.dumps(mutant.rules), encoding="utf-8")
    for number, content in enumerate(mutant.tests):
        test = {**content, "rule_files": ["rules.yml"]}
        (folder / f"{number}.test.yml").write_text(json.dumps(test), encoding="utf-8")
    names = [path.name for path in folder.glob("*.test.yml")]
    return promtool(folder, "test", "rules", *names).returncode == 0


def test_an_alert_about_alerts_is_judged_beside_those_that_it_is_about(
    family: Callable[[str], Family], promtool: Promtool, tmp_path: Path
) -> None:
    unheard = family("alert_unheard")
    assert unheard.right().tests
    assert passes(unheard.right(), tmp_path / "right", promtool)
    mutants = list(unheard.mutants())
    assert {mutant.what.split(" (")[0] for mutant in mutants} == {"RISK_ALERT_UNHEARD"}
    (wrong,) = [mutant for mutant in mutants if mutant.what.endswith("identity without severity")]
    assert not passes(wrong, tmp_path / "wrong", promtool)


@pytest.mark.parametrize(
    ("name", "mildest", "moved"),
    [("price_move", "critical", "> -> >= in"), ("position_loss", "warning", "< -> <= in")],
)
def test_a_boundary_moves_where_a_breach_begins_but_not_where_nothing_is_left_to_clear(
    name: str, mildest: str, moved: str, family: Callable[[str], Family]
) -> None:
    latch = f"risk:breach_since_seconds {mildest}: "
    latches = [m.what for m in family(name).mutants() if m.what.startswith(latch)]
    # Everything exactly at the clear level is cut away before.
    assert len([what for what in latches if moved in what]) == 1


def test_the_tier_of_a_breach_that_is_held_throughout_is_not_got_wrong(
    family: Callable[[str], Family],
) -> None:
    swaps = [
        mutant.what for mutant in family("consecutive_losses").mutants()
        if "(none)" in mutant.what and "-> critical in" in mutant.what
    ]  # fmt: skip
    assert swaps
    assert not [what for what in swaps if "or on" in what]
