"""The generated tests can fail: each wrong rule is caught by the tests of its limit."""

from __future__ import annotations

import copy
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

import risk_rules
from risk_policy import Policy
from risk_policy.catalogue.limits import LIMITS, Limit

Write = Callable[[Path, dict[str, str]], Path]
Promtool = Callable[..., subprocess.CompletedProcess[str]]
Rule = dict[str, Any]
Mutant = tuple[str, Rule]

#: Far less than anybody would notice on a dashboard: a thousandth of a percent.
SHIFT = 1e-5


@pytest.fixture(scope="module")
def files(policy: Policy) -> dict[str, str]:
    return risk_rules.generate(policy)


@pytest.fixture(scope="module")
def rules(files: dict[str, str]) -> list[Rule]:
    content = yaml.safe_load(files["riskwarden.rules.yml"])
    return [rule for group in content["groups"] for rule in group["rules"]]


def mutants_of_limit(rules: list[Rule], limit: Limit) -> Iterator[Mutant]:
    alerts = {rule["alert"]: rule for rule in rules if "alert" in rule}
    for spec in limit.alerts:
        rule = alerts[spec.name]
        expression = rule["expr"]
        head, operator, bound = expression.rsplit(" ", 2)
        for sign in (1, -1):
            shifted = round(float(bound) + sign * SHIFT, 10)
            yield f"{spec.name} {sign:+d}", {**rule, "expr": f"{head} {operator} {shifted}"}
        yield f"{spec.name} or equal", {**rule, "expr": f"{head} {operator}= {bound}"}
        yield f"{spec.name} other side", {**rule, "expr": f"{head} {'<>'[operator == '<']} {bound}"}
        yield f"{spec.name} severity", {**rule, "labels": {**rule["labels"], "severity": "info"}}
        yield f"{spec.name} late", {**rule, "for": "1m"}
    milder = "min" if expression.startswith("max") else "max"
    yield "aggregation", {**rule, "expr": milder + expression[3:]}
    yield "target leaks", {**rule, "expr": expression.replace("by (", "by (instance, ")}
    yield "identity lost", {**rule, "expr": expression.replace(f", {limit.identity[-1]}", "")}
    held = expression[expression.index("last_over_time(") :].partition(")")[0] + ")"
    bare = held.removeprefix("last_over_time(").partition("[")[0]
    yield "no hold", {**rule, "expr": expression.replace(held, bare)}
    yield "held for too long", {**rule, "expr": expression.replace("500ms]", "500ms] offset 9s")}
    for name in ("summary", "description", "runbook_url", "policy_digest"):
        changed = {**rule["annotations"], name: rule["annotations"][name] + "!"}
        yield name, {**rule, "annotations": changed}


def mutants_of_system(rules: list[Rule]) -> Iterator[Mutant]:
    changes = {
        "Watchdog": [("vector(1)", "vector(1) > 1")],
        "RISK_EXPORTER_DOWN": [
            ("min(min_over_time", "max(min_over_time"),
            ("min_over_time", "max_over_time"),
            ("riskwarden-exporter", "riskwarden-receivers"),
            ("absent(min(up{job=\"riskwarden-exporter\"}) == 1 and ", "absent("),
            ("[3500ms]", "[1500ms]"),
        ],
        "RISK_RECEIVERS_DOWN": [("== 1", ">= 0")],
        "RISK_DATA_STALE": [
            (" > 10", " >= 10"),
            (" > 10", " > 10.1"),
            ("max by", "min by"),
            ("[9500ms]", "[4s]"),
            ('"/"', '":"'),
            ("absent_over_time", "present_over_time"),
            (" and up{job=\"riskwarden-exporter\"} offset 10s", ""),
            ("max_over_time", "min_over_time"),
        ],
        "RISK_POLICY_DRIFT": [("> 1", "> 2"), ("count by (digest)", "count by (component)")],
    }  # fmt: skip
    for name, replacements in changes.items():
        for old, new in replacements:
            found = [r for r in rules if r.get("alert") == name and old in r["expr"]]
            assert found, f"{name} holds no {old}"
            for rule in found:
                yield f"{name}: {old} -> {new}", {**rule, "expr": rule["expr"].replace(old, new)}
    for rule in rules:
        if rule.get("alert") in changes and "for" in rule:
            yield f"{rule['alert']}: at once", {k: v for k, v in rule.items() if k != "for"}
            yield f"{rule['alert']}: late", {**rule, "for": "1h"}


def surviving(
    mutants: Iterator[Mutant], original: list[Rule], proof: str, folder: Path, promtool: Promtool
) -> list[str]:
    """Names of the mutants that a test file does not notice."""
    (folder / "tests").mkdir()

    def survives(numbered: tuple[int, Mutant]) -> str | None:
        number, (name, mutant) = numbered
        index = next(
            index
            for index, rule in enumerate(original)
            if rule.get("alert") == mutant["alert"]
            and (rule["expr"] == mutant["expr"] or rule["labels"] == mutant["labels"])
        )
        rules = copy.deepcopy(original)
        assert rules[index] != mutant, f"{name} changes nothing"
        rules[index] = mutant
        (folder / f"{number}.rules.yml").write_text(
            yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}), encoding="utf-8"
        )
        test = proof.replace("riskwarden.rules", f"{number}.rules")
        (folder / "tests" / f"{number}.test.yml").write_text(test, encoding="utf-8")
        done = promtool(folder, "test", "rules", f"tests/{number}.test.yml")
        if done.returncode == 0:
            return name
        # It must fail because an expectation does, not because nothing could be read.
        assert "exp:" in done.stdout + done.stderr, done.stdout + done.stderr
        return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [name for name in pool.map(survives, enumerate(mutants)) if name]


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_no_wrong_rule_of_a_limit_passes_its_generated_tests(
    limit: Limit, rules: list[Rule], files: dict[str, str], promtool: Promtool, tmp_path: Path
) -> None:
    own = [rule for rule in rules if rule["labels"].get("limit") == limit.name]
    proof = files[f"tests/{limit.name}.test.yml"]
    assert surviving(mutants_of_limit(own, limit), own, proof, tmp_path, promtool) == []


def test_no_wrong_system_rule_passes_its_generated_tests(
    rules: list[Rule], files: dict[str, str], promtool: Promtool, tmp_path: Path
) -> None:
    own = [
        rule
        for rule in rules
        if rule["labels"].get("layer") == "system" or rule.get("record") == "risk_policy_info"
    ]
    proof = files["tests/system.test.yml"]
    assert surviving(mutants_of_system(own), own, proof, tmp_path, promtool) == []


def test_a_wrong_recorded_threshold_is_noticed(
    files: dict[str, str], write: Write, promtool: Promtool, tmp_path: Path
) -> None:
    rules = files["riskwarden.rules.yml"]
    for old, new in (("vector(-0.1)", "vector(0.1)"), ("vector(0.15)", "vector(0.15001)")):
        assert rules.count(old) == 1
        write(tmp_path, {**files, "riskwarden.rules.yml": rules.replace(old, new)})
        assert promtool(tmp_path, "test", "rules", "tests/recorded.test.yml").returncode != 0
