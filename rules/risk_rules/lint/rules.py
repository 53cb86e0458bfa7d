"""Rule files as values: parsed once, with the line each rule stands on.

What cannot be read is reported and left out; the other rules are still checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import promql_parser
import yaml
from promql_parser import Expr

from risk_policy.contracts import alert as labels
from risk_rules.keys import rule_key
from risk_rules.labelled import plain

#: The same language, read by C where PyYAML was built with it.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: What tells rules of one name apart.
_TELLING: Final = (labels.TIER, labels.SEVERITY, labels.ESCALATION)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a file.

    Attributes:
        line: on which it begins.
        interval: how often its group is evaluated, in seconds; 0 if the file does not say.
        alert: the alert's name, empty for a recorded series.
        record: the recorded series, empty for an alert.
        text: the expression, without what only sets labels.
        labels: wherever the rule sets them.
        waits: ``for`` and ``keep_firing_for``, as far as they are written.
    """

    file: str
    line: int
    group: str
    interval: float
    alert: str
    record: str
    text: str
    expression: Expr
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    waits: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Its name, and what tells it from others of that name."""
        about = [self.labels[labels.LIMIT]] if self.record and labels.LIMIT in self.labels else []
        about += [self.labels[name] for name in _TELLING if name in self.labels]
        return f"{self.alert or self.record} ({', '.join(about)})" if about else self.name

    @property
    def name(self) -> str:
        """The alert's or the series's name."""
        return self.alert or self.record

    @property
    def key(self) -> str:
        """The policy key it follows from."""
        return rule_key(self.record, self.labels)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What is no rule, and why."""

    file: str
    line: int
    name: str
    reason: str


def read(file: str, text: str) -> Iterator[Rule | Unreadable]:
    """Every rule of a file, in its order."""
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        yield Unreadable(file, mark.line + 1 if mark else 0, "", f"is not YAML: {error}")
        return
    groups = _entry(node, "groups")
    if not isinstance(groups, yaml.SequenceNode):
        yield Unreadable(file, 0, "", "has no list of groups, so Prometheus would watch nothing")
        return
    for group in groups.value:
        rules = _entry(group, "rules")
        for rule in rules.value if isinstance(rules, yaml.SequenceNode) else ():
            yield _rule(file, _plain(group, "name"), _plain(group, "interval"), rule)


def _rule(file: str, group: str, interval: str, node: yaml.Node) -> Rule | Unreadable:
    line = node.start_mark.line + 1
    name = _plain(node, "alert") or _plain(node, "record")
    own = plain({"expr": _plain(node, "expr"), "labels": _strings(node, "labels")})
    text = own["expr"]
    if not name or not text:
        return Unreadable(file, line, name, "needs an alert or a record, and an expr")
    try:
        expression = promql_parser.parse(text)
        seconds = promql_parser.parse_duration(interval).total_seconds() if interval else 0.0
    except ValueError as error:
        return Unreadable(file, line, name, f"is not PromQL that can be read: {error}")
    return Rule(
        file=file,
        line=line,
        group=group,
        interval=seconds,
        alert=_plain(node, "alert"),
        record=_plain(node, "record"),
        text=text,
        expression=expression,
        labels=own["labels"],
        annotations=_strings(node, "annotations"),
        waits={name: value for name in ("for", "keep_firing_for") if (value := _plain(node, name))},
    )


def _entry(node: yaml.Node | None, name: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    found: Any = next((value for key, value in node.value if key.value == name), None)
    return found if isinstance(found, yaml.Node) else None


def _plain(node: yaml.Node, name: str) -> str:
    entry = _entry(node, name)
    return str(entry.value) if isinstance(entry, yaml.ScalarNode) else ""


def _strings(node: yaml.Node, name: str) -> dict[str, str]:
    entry = _entry(node, name)
    if not isinstance(entry, yaml.MappingNode):
        return {}
    return {str(key.value): str(value.value) for key, value in entry.value}
