"""Everything generated under ``rules/generated``: rules, configuration, proofs."""

from __future__ import annotations

from risk_policy.model import Policy
from risk_rules.document import render
from risk_rules.groups import rule_groups
from risk_rules.prometheus import RULES_FILE, prometheus_config
from risk_rules.proofs import unit_tests


def generate(policy: Policy) -> dict[str, str]:
    """File name -> content. Raises RulesError or ArtefactError."""
    groups = rule_groups(policy)
    return {
        RULES_FILE: render(policy, {"groups": [group.document() for group in groups]}),
        "prometheus.yml": prometheus_config(policy),
        **unit_tests(policy),
    }
