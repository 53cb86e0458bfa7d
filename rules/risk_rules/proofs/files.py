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


def unit_tests(policy: Policy) -> dict[str, str]:
    """File name -> content, for ``promtool test rules``."""
    order = {name: [group.name for group in found] for name, found in rule_files(policy).items()}
    files: dict[str, str] = {}
    for limit in LIMITS:
        name = limit.name
        quick, slow = LimitProof(policy, limit), EscalationProof(policy, limit)
        own = {name: order[name]}
        files[name] = _file(policy, own, quick.clock.evaluation, quick.scenarios())
        files[name + SLOW] = _file(policy, own, slow.clock.evaluation, slow.scenarios())
    clock = policy_clock(policy)
    tests = [recorded_scenario(policy, clock)]
    files[RECORDED] = _file(policy, {RECORDED: order[RECORDED]}, clock.evaluation, tests)
    tests = [
        *PartsProof(policy).scenarios(),
        *SilenceProof(policy, clock).scenarios(),
        *ConditionsProof(policy).scenarios(),
    ]
    files[SYSTEM] = _file(policy, {SYSTEM: order[SYSTEM]}, clock.evaluation, tests)
    guard = {GUARD: order[GUARD]}
    files[GUARD] = _file(policy, guard, clock.evaluation, GuardProof(policy).scenarios())
    late = SlowProof(policy)
    pace = late.clock.evaluation
    own = {SYSTEM: order[SYSTEM]}
    files[SYSTEM + SLOW] = _file(policy, own, pace, late.system_scenarios())
    tests = [*late.guard_scenarios(), UnheardProof(policy, late.clock).scenario()]
    files[GUARD + SLOW] = _file(policy, {**guard, **own}, pace, tests)
    return {f"{FOLDER}/{name}{SUFFIX}": text for name, text in files.items()}


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
