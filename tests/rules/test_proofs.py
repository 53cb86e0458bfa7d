"""The generated tests prove every alert, and they can fail: no wrong rule passes them."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from left_open import left_open, ranges
from wordless_rules import in_two, wordless

from risk_policy.catalogue.limits import LIMITS
from risk_policy.catalogue.system import SYSTEM_ALERTS
from risk_rules.proofs.coverage import coverage
from risk_rules.proofs.families import Family, Mutant, families

Write = Callable[[Path, dict[str, str]], Path]
Promtool = Callable[..., subprocess.CompletedProcess[str]]
Parsed = Callable[[str], dict[str, Any]]
APART = ("system", "guard")
SLOW = ".escalation"
#: Every file of tests. Those that take longest come first.
PROOFS = (
    *(f"{name}{pace}" for name in APART for pace in ("", SLOW)),
    *(f"{limit.name}{pace}" for pace in (SLOW, "") for limit in LIMITS),
    "recorded",
)
#: One of each kind; `riskwarden rules test --mutate` takes all of them, and all their mutants.
SAMPLED = {
    "var": 6,
    "position_loss": 6,
    "margin": 6,
    "consecutive_losses": 4,
    "exporter_down": 6,
    "limit_unevaluable": 6,
    "alert_storm": 6,
    "recorded": 4,
}


@pytest.fixture(scope="module")
def families_by_name(parsed: Parsed) -> dict[str, Family]:
    found = families(parsed("rules"), parsed("tests"), APART)
    return {family.name: family for family in found}


@pytest.fixture(scope="module")
def written(files: dict[str, str], write: Write, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that is generated."""
    return write(tmp_path_factory.mktemp("generated"), files)


@pytest.mark.parametrize("name", PROOFS)
def test_every_rule_passes_the_tests_that_prove_it(
    name: str, written: Path, promtool: Promtool
) -> None:
    done = promtool(written, "test", "rules", *in_two(written, name))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_pass_in_prometheus_3_too_which_leaves_out_the_far_edge_of_a_range(
    files: dict[str, str], write: Write, promtool: Promtool, tmp_path: Path
) -> None:
    # One limit with every kind of escalation; the others differ in numbers and labels.
    rules, tests = "rules/drawdown.yml", "tests/drawdown.escalation.test.yml"
    assert ranges(files[rules]) >= 7
    write(tmp_path, {rules: left_open(files[rules]), tests: files[tests]})
    done = promtool(tmp_path, "test", "rules", tests)
    assert done.returncode == 0, done.stdout + done.stderr


def test_these_are_all_the_tests_there_are(files: dict[str, str]) -> None:
    there = [name for name in files if name.startswith("tests/")]
    assert sorted(f"tests/{name}.test.yml" for name in PROOFS) == sorted(there)


def test_every_alert_is_proven_to_fire_and_not_to_fire_in_every_way(parsed: Parsed) -> None:
    covered = coverage(parsed("rules").values(), parsed("tests").values())
    assert not [one for one in covered if not one.complete]
    expected = {spec.name for limit in LIMITS for spec in limit.alerts}
    expected |= {alert.name for alert in SYSTEM_ALERTS}
    assert {one.alertname for one in covered if one.escalation == "none"} == expected


def test_an_alert_without_a_check_is_not_called_covered(parsed: Parsed) -> None:
    rules, tests = parsed("rules"), parsed("tests")
    del tests["drawdown.escalation"]
    missing = [one for one in coverage(rules.values(), tests.values()) if not one.complete]
    assert {one.limit for one in missing} == {"drawdown"}
    assert {one.escalation for one in missing} == {"time", "frequency", "trend"}


def killed(mutant: Mutant, folder: Path, promtool: Promtool) -> bool:
    folder.mkdir()
    for name, rules in (("wordy", mutant.rules), ("wordless", wordless(mutant.rules))):
        (folder / f"{name}.yml").write_text(json.dumps(rules), encoding="utf-8")
    for number, content in enumerate(mutant.tests):
        name = f"{number}.test.yml"
        says = any("alert_rule_test" in one for one in content["tests"])
        test = {**content, "rule_files": ["wordy.yml" if says else "wordless.yml"]}
        (folder / name).write_text(json.dumps(test), encoding="utf-8")
        done = promtool(folder, "test", "rules", name)
        if done.returncode:
            # It must fail because an expectation does, not because nothing could be read.
            assert "exp:" in done.stdout + done.stderr, mutant.what + done.stdout + done.stderr
            return True
    return False


@pytest.mark.parametrize("name", SAMPLED)
def test_a_wrong_rule_does_not_pass(
    name: str,
    families_by_name: dict[str, Family],
    parsed: Parsed,
    promtool: Promtool,
    tmp_path: Path,
) -> None:
    family = families_by_name[name]
    right = Mutant(name, "nothing wrong", family.rules, (*family.quick, *family.slow))
    mutants = list(family.mutants())
    chosen = random.Random(name).sample(mutants, min(SAMPLED[name], len(mutants)))
    # A family that is a whole file is proven right above.
    assert family.rules == parsed("rules").get(name) or not killed(
        right, tmp_path / "right", promtool
    )
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        dead = pool.map(
            lambda each: killed(each[1], tmp_path / str(each[0]), promtool), enumerate(chosen)
        )
        survivors = [
            mutant.what for mutant, is_dead in zip(chosen, dead, strict=True) if not is_dead
        ]
    assert survivors == []


@pytest.mark.parametrize(
    ("record", "least"),
    [
        ("risk:limit_raw", 4),
        ("risk:limit_value", 2),
        ("risk:breach_since_seconds", 16),
        ("risk:unacked_since_seconds", 8),
        ("risk:breach_episodes", 6),
        ("risk:trend_rate", 4),
        ("POSITION_LOSS_WARNING (none)", 3),
        ("POSITION_LOSS_WARNING (time)", 6),
        ("POSITION_LOSS_WARNING (frequency)", 6),
        ("POSITION_LOSS_WARNING (trend)", 6),
    ],
)
def test_every_kind_of_rule_is_got_wrong_in_several_ways(
    record: str, least: int, families_by_name: dict[str, Family]
) -> None:
    own = [mutant for mutant in families_by_name["position_loss"].mutants()
           if mutant.what.startswith(record)]  # fmt: skip
    assert len(own) >= least
    assert len({json.dumps(mutant.rules) for mutant in own}) == len(own)
