"""Which alerts the generated tests have seen fire, and seen not fire.

Counted in the files themselves, so it also holds for files that somebody else has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from risk_policy.contracts import alert as labels
from risk_rules.labelled import plain


@dataclass(frozen=True, slots=True)
class Covered:
    """One alert in one of the ways in which it can fire.

    Attributes:
        limit: what it belongs to.
        fires: whether a test demands that it fires, with all labels and sentences.
        quiet: whether a test of the same alert demands that it does not.
    """

    limit: str
    alertname: str
    tier: str
    severity: str
    escalation: str
    fires: bool
    quiet: bool

    @property
    def complete(self) -> bool:
        """Whether both are proven."""
        return self.fires and self.quiet


def coverage(
    rules: Iterable[Mapping[str, Any]], tests: Iterable[Mapping[str, Any]]
) -> list[Covered]:
    """One entry per alert rule, from parsed rule files and parsed test files."""
    checks: dict[str, list[set[tuple[str, str, str]]]] = {}
    for content in tests:
        for test in content["tests"]:
            for check in test.get("alert_rule_test", ()):
                fired = {_key(alert["exp_labels"]) for alert in check["exp_alerts"]}
                checks.setdefault(check["alertname"], []).append(fired)
    found = []
    for content in rules:
        for rule in (rule for group in content["groups"] for rule in group["rules"]):
            if "alert" not in rule:
                continue
            own = plain(rule)["labels"]
            key, seen = _key(own), checks.get(rule["alert"], [])
            fires = any(key in fired for fired in seen)
            # What fires always cannot be seen quiet.
            always = rule["alert"] == labels.WATCHDOG
            quiet = always or any(key not in fired for fired in seen)
            found.append(Covered(own[labels.LIMIT], rule["alert"], *key, fires, quiet))
    return found


def _key(named: Mapping[str, str]) -> tuple[str, str, str]:
    return named.get(labels.TIER, ""), named[labels.SEVERITY], named[labels.ESCALATION]
