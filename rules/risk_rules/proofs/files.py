"""The test files: one per limit, one for the system alerts, one for what is recorded."""

from __future__ import annotations

from typing import Any, Final

from risk_policy.catalogue.limits import LIMITS
from risk_policy.contracts.artefact import duration
from risk_policy.model import Policy
from risk_rules.document import render
from risk_rules.prometheus import RULES_FILE
from risk_rules.proofs.limits import LimitProof
from risk_rules.proofs.recorded import recorded_scenario
from risk_rules.proofs.system import SystemProof

_FOLDER: Final = "tests"


def unit_tests(policy: Policy) -> dict[str, str]:
    """File name -> content, for ``promtool test rules``."""
    scenarios = {
        **{limit.name: LimitProof(policy, limit).scenarios() for limit in LIMITS},
        "system": SystemProof(policy).scenarios(),
        "recorded": [recorded_scenario(policy)],
    }
    return {f"{_FOLDER}/{name}.test.yml": _file(policy, tests) for name, tests in scenarios.items()}


def _file(policy: Policy, tests: list[dict[str, Any]]) -> str:
    content = {
        "rule_files": [f"../{RULES_FILE}"],
        "evaluation_interval": duration(policy.alerting.prometheus.evaluation_interval_seconds),
        "tests": tests,
    }
    return render(policy, content)
