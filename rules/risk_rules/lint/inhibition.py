"""Alertmanager configurations that tell people too little: inhibition, grouping, truncation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from risk_policy.contracts import alert as labels
from risk_rules.lint.finding import Finding, Level

_CHECK: Final = "inhibition"
_MATCHER: Final = re.compile(r"\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*(.*?)\s*")
#: A notification about one of these must never wait for, or hide in, one about another.
_APART: Final = (labels.RISK_ID, labels.TIER, labels.SEVERITY)


@dataclass(frozen=True, slots=True)
class _Matcher:
    name: str
    operator: str
    value: str

    def takes(self, value: str) -> bool:
        """Whether a label with this value passes; a missing label is empty."""
        try:
            equal = (
                re.fullmatch(self.value, value) is not None
                if self.operator.endswith("~")
                else value == self.value
            )
        except re.error:
            return True
        return equal != self.operator.startswith("!")


def check_config(file: str, text: str) -> Iterator[Finding]:
    """Every finding about an Alertmanager configuration."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        yield _finding(file, f"is not YAML: {error}", "mend the file", 0)
        return
    lines = _lines(text)
    tree = content if isinstance(content, dict) else {}
    for number, rule in enumerate(_list(tree.get("inhibit_rules"))):
        line = lines[number] if number < len(lines) else 0
        yield from _inhibition(file, line, number, rule)
    yield from _route(file, tree.get("route") or {}, ())
    for receiver in _list(tree.get("receivers")):
        for hook in _list(receiver.get("webhook_configs")):
            if hook.get("max_alerts"):
                yield _finding(
                    file,
                    f"receiver {receiver.get('name')} takes {hook['max_alerts']} alerts at most, "
                    "cut by label order: the emergency may be among what is cut",
                    "set max_alerts to 0",
                    0,
                )


def _inhibition(file: str, line: int, number: int, rule: Mapping[str, Any]) -> Iterator[Finding]:
    named = f"inhibition rule {number + 1}"
    equal = [str(label) for label in _list(rule.get("equal"))]
    source, target = _matchers(rule, "source"), _matchers(rule, "target")
    if labels.RISK_ID not in equal:
        yield _finding(
            file,
            f"{named} does not ask for the same risk_id: one object's alert mutes another's",
            "add risk_id to equal",
            line,
        )
    for label in equal:
        for side, matchers in (("source", source), ("target", target)):
            if all(each.takes("") for each in matchers if each.name == label):
                yield _finding(
                    file,
                    f"{named} takes a {side} without {label}: labels that are missing on both "
                    "sides count as equal",
                    f'add {label}=~".+" to its {side} matchers',
                    line,
                )
    pinned = _pins(source, labels.TIER) and _pins(target, labels.TIER)
    tier = labels.TIER in equal or pinned
    if labels.RISK_ID in equal and not tier:
        yield _finding(
            file,
            f"{named} looks at no tier: an acknowledged tier mutes a new, worse one",
            "add tier to equal, or match the tiers on both sides",
            line,
        )


def _route(file: str, route: Mapping[str, Any], inherited: tuple[str, ...]) -> Iterator[Finding]:
    group_by = tuple(str(each) for each in _list(route.get("group_by"))) or inherited
    missing = [name for name in _APART if name not in group_by and "..." not in group_by]
    if missing:
        yield _finding(
            file,
            f"a route groups by {', '.join(group_by) or 'nothing'}: what differs by "
            f"{', '.join(missing)} waits for group_interval inside the same message",
            f"group by {', '.join(_APART)}",
            0,
        )
        return
    for child in _list(route.get("routes")):
        yield from _route(file, child, group_by)


def _matchers(rule: Mapping[str, Any], side: str) -> list[_Matcher]:
    found = []
    for written in _list(rule.get(f"{side}_matchers")):
        if match := _MATCHER.fullmatch(str(written)):
            name, operator, value = match.groups()
            found.append(_Matcher(name, operator, value.strip('"')))
    for name, value in (rule.get(f"{side}_match") or {}).items():
        found.append(_Matcher(str(name), "=", str(value)))
    for name, value in (rule.get(f"{side}_match_re") or {}).items():
        found.append(_Matcher(str(name), "=~", str(value)))
    return found


def _pins(matchers: list[_Matcher], label: str) -> bool:
    return any(each.name == label for each in matchers)


def _lines(text: str) -> list[int]:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value == "inhibit_rules" and isinstance(value, yaml.SequenceNode):
            return [rule.start_mark.line + 1 for rule in value.value]
    return []


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _finding(file: str, message: str, remedy: str, line: int) -> Finding:
    return Finding(_CHECK, Level.ERROR, message, remedy, file=file, line=line)
