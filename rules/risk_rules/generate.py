"""Everything generated under ``rules/generated``: rules, configuration, proofs."""

from __future__ import annotations

from risk_policy.contracts.document import render
from risk_policy.model import Policy
from risk_rules.groups import rule_files
from risk_rules.prometheus import CONFIG_FILE, RULES_FOLDER, prometheus_config
from risk_rules.proofs import unit_tests


def generate(policy: Policy) -> dict[str, str]:
    """File name -> content. Raises RulesError or ArtefactError."""
    rules = generate_rules(policy)
    return {CONFIG_FILE: prometheus_config(policy), **rules, **unit_tests(policy)}


def generate_rules(policy: Policy) -> dict[str, str]:
    """The rule files alone, for whoever needs no proofs: they take most of the time."""
    return {
        f"{RULES_FOLDER}/{name}.yml": render(
            policy, {"groups": [group.document() for group in groups]}
        )
        for name, groups in rule_files(policy).items()
    }
