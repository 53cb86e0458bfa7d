"""The test files: two per limit, one each for the alerts that belong to no limit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from risk_policy.catalogue.limits import LIMITS
from risk_policy.contracts.artefact import heading
from risk_policy.model import Policy
from risk_rules.groups import GUARD, RECORDED, SYSTEM, rule_files
from risk_rules.prometheus import RULES_FOLDER
from risk_rules.proofs.conditions import ConditionsProof
from risk_rules.proofs.escalations import EscalationProof
from risk_rules.proofs.guard import GuardProof
from risk_rules.proofs.limits import LimitProof
from risk_rules.proofs.recorded import recorded_scenario
from risk_rules.proofs.series import moment, policy_clock
from risk_rules.proofs.silence import SilenceProof
from risk_rules.proofs.slow import SlowProof
from risk_rules.proofs.system import PartsProof
from risk_rules.proofs.unheard import UnheardProof

FOLDER: Final = "tests"
SUFFIX: Final = ".test.yml"
SLOW: Final = ".escalation"
Scenarios = list[dict[str, Any]]


def unit_tests(policy: Policy, *of: str) -> dict[str, str]:
    """File name -> content, for ``promtool test rules``.

    Args:
        of: the rule files whose tests are wanted; those of all unless named.
    """
    order = {name: [group.name for group in found] for name, found in rule_files(policy).items()}
    files: dict[str, str] = {}
    for name in of or order:
        files |= _of_rules(policy, name, order)
    return {f"{FOLDER}/{name}{SUFFIX}": text for name, text in files.items()}


def _of_rules(policy: Policy, name: str, order: Mapping[str, list[str]]) -> dict[str, str]:
    """The tests of one rule file, by name."""
    own = {name: order[name]}
    if name == RECORDED:
        clock = policy_clock(policy)
        return {name: _file(policy, own, clock.evaluation, [recorded_scenario(policy, clock)])}
    if name == SYSTEM:
        return _of_system(policy, own)
    if name == GUARD:
        return _of_guard(policy, own, {SYSTEM: order[SYSTEM]})
    limit = next(limit for limit in LIMITS if limit.name == name)
    quick, slow = LimitProof(policy, limit), EscalationProof(policy, limit)
    return {
        name: _file(policy, own, quick.clock.evaluation, quick.scenarios()),
        name + SLOW: _file(policy, own, slow.clock.evaluation, slow.scenarios()),
    }


def _of_system(policy: Policy, own: Mapping[str, list[str]]) -> dict[str, str]:
    clock, late = policy_clock(policy), SlowProof(policy)
    tests = [
        *PartsProof(policy).scenarios(),
        *SilenceProof(policy, clock).scenarios(),
        *ConditionsProof(policy).scenarios(),
    ]
    return {
        SYSTEM: _file(policy, own, clock.evaluation, tests),
        SYSTEM + SLOW: _file(policy, own, late.clock.evaluation, late.system_scenarios()),
    }


def _of_guard(
    policy: Policy, own: Mapping[str, list[str]], beside: Mapping[str, list[str]]
) -> dict[str, str]:
    clock, late = policy_clock(policy), SlowProof(policy)
    tests = [*late.guard_scenarios(), UnheardProof(policy, late.clock).scenario()]
    return {
        GUARD: _file(policy, own, clock.evaluation, GuardProof(policy).scenarios()),
        GUARD + SLOW: _file(policy, {**own, **beside}, late.clock.evaluation, tests),
    }


def _file(policy: Policy, rules: Mapping[str, list[str]], evaluation: int, tests: Scenarios) -> str:
    """Written by hand, an entry a line: YAML that is JSON where it would fill pages."""
    return heading(policy) + "\n" + "\n".join(_lines(rules, evaluation, tests)) + "\n"


def _lines(rules: Mapping[str, list[str]], evaluation: int, tests: Scenarios) -> Iterator[str]:
    yield "rule_files:"
    yield from (f"  - ../{RULES_FOLDER}/{name}.yml" for name in rules)
    yield f"evaluation_interval: {moment(evaluation)}"
    yield "group_eval_order:  # without one, promtool takes any"
    yield from (f"  - {group}" for groups in rules.values() for group in groups)
    yield "tests:"
    for test in tests:
        yield f"  - name: {_json(test['name'])}"
        for key, value in test.items():
            if isinstance(value, list):
                yield f"    {key}:"
                yield from (f"      - {_json(entry)}" for entry in value)
            elif key != "name":
                yield f"    {key}: {value}"


def _json(entry: Any) -> str:
    return json.dumps(entry, ensure_ascii=False)
