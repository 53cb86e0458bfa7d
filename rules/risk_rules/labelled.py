"""Labels of an alert that its expression sets, where there can be thousands of it at once.

Prometheus expands every line under ``labels:`` as a template, for each firing alert at each
evaluation, whether it holds one or not: seven labels are the larger half of what an alert
costs. What the expression sets costs next to nothing. Alerts are the same either way.

Severity stays where it is: it tells an alert's rules from each other, and promtool takes rules
of one name with the same ``labels:`` for the same rule.

What reads rules asks :func:`plain`, which says the same rule with its labels where they usually
stand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from risk_policy.contracts.alert import SEVERITY
from risk_rules.promql import label, quoted

_OPEN: Final = "label_replace("
_LABEL: Final = re.compile(r', "(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)", "(?P<value>[^"\\]*)", "", ""\)')


def in_expression(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule of a rule file with its labels set by its expression, all but its severity."""
    named = {name: value for name, value in rule["labels"].items() if name != SEVERITY}
    if not named:
        return dict(rule)
    lines = (
        _OPEN * len(named),
        rule["expr"],
        *(f', {quoted(label(name))}, {quoted(value)}, "", "")' for name, value in named.items()),
    )
    left = {name: value for name, value in rule["labels"].items() if name not in named}
    return {**rule, "expr": "\n".join(lines), "labels": left}


def plain(rule: Mapping[str, Any]) -> dict[str, Any]:
    """The same rule, with all of its labels under ``labels``; what has them there stays as it is.

    ``labels`` decide, as they do in Prometheus, where both name the same.
    """
    first, *lines = str(rule["expr"]).split("\n")
    count = len(first) // len(_OPEN)
    found = [_LABEL.fullmatch(line) for line in lines[-count:]] if count else []
    inside = lines[:-count] if count else []
    if first != _OPEN * count or not inside or not all(found):
        return {**rule, "labels": rule.get("labels", {})}
    named = {each["name"]: each["value"] for each in found if each}
    return {**rule, "expr": "\n".join(inside), "labels": {**named, **rule.get("labels", {})}}
