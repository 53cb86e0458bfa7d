"""The PromQL that belongs to an alert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from risk_rules.rule import AlertRule, RuleGroup


def rules_of(files: Mapping[str, Sequence[RuleGroup]], name: str) -> dict[str, str]:
    """The alert's own rules, its escalations, and the recorded series they stand on."""
    found: dict[str, str] = {}
    for groups in files.values():
        rules = [rule for group in groups for rule in group.rules]
        own = [rule for rule in rules if isinstance(rule, AlertRule) and rule.name == name]
        if not own:
            continue
        about = {(rule.labels.get("limit"), rule.labels.get("tier")) for rule in own}
        for rule in rules:
            named = (rule.labels.get("limit"), rule.labels.get("tier"))
            if isinstance(rule, AlertRule):
                if rule.name == name:
                    severity, why = rule.labels["severity"], rule.labels["escalation"]
                    found[f"alert {severity}" + ("" if why == "none" else f" by {why}")] = (
                        rule.expression
                    )
            elif named in about or (named[1] is None and named[0] in {each for each, _ in about}):
                found[f"record {rule.name}"] = rule.expression
    return found
