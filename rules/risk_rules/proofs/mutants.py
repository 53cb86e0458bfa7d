"""Rules that are wrong in one place each. The generated tests must notice every one of them.

Mutants are made from parsed rule files: one threshold, clear level, comparison, time, count,
aggregation, identity label, branch, label or sentence is changed at a time. A change that
makes no difference to what a rule says is not among them, with the reason beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from risk_policy.catalogue import metrics as m
from risk_policy.contracts import alert as labels

Document = dict[str, Any]
Rule = dict[str, Any]
Change = tuple[str, str]
#: Turns a piece of an expression into what it is replaced by.
Replace = Callable[[str], Iterable[str]]

_NUMBER: Final = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"
_BOUNDARY: Final = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
_OPPOSITE: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_OTHER: Final = {
    "max": "min", "min": "max", "clamp_min": "clamp_max", "clamp_max": "clamp_min",
    "max_over_time": "min_over_time", "min_over_time": "max_over_time",
}  # fmt: skip
_TIERS: Final = ("warning", "critical", "emergency")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One wrong rule.

    Attributes:
        family: the limit it belongs to.
        what: the rule and what is wrong with it.
        rules: the whole rule file.
        tests: test files of one scenario each, in the order in which to try them.
    """

    family: str
    what: str
    rules: Document
    tests: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """The rules of one limit and their tests, which pass.

    Attributes:
        quick: tests at the policy's own pace, of one scenario each.
        slow: tests of what takes minutes.
    """

    name: str
    rules: Document
    quick: tuple[Document, ...]
    slow: tuple[Document, ...]

    def mutants(self) -> Iterator[Mutant]:
        """Every wrong version of one of its rules."""
        tiers = {
            rule["labels"][labels.TIER]: None for rule in _rules(self.rules)
            if labels.TIER in rule["labels"]
        }  # fmt: skip
        for index, rule in enumerate(_rules(self.rules)):
            kind = _kind(rule)
            # Where it is most likely noticed comes first.
            first = self.quick + self.slow if kind in _QUICK else self.slow + self.quick
            for what, wrong in _wrong(rule, tuple(tiers), _identity(self.rules)):
                name = rule.get("record") or f"{rule['alert']} ({kind})"
                tier = rule["labels"].get(labels.TIER, "")
                yield Mutant(
                    self.name, f"{name} {tier}: {what}", _replaced(self.rules, index, wrong), first
                )


#: Kinds of rules that the tests at the policy's own pace are about.
_QUICK: Final = (
    m.LIMIT_RAW.name, m.LIMIT_VALUE.name, m.BREACH_SINCE.name, "none", m.THRESHOLD.name,
    m.POLICY_INFO.name,
)  # fmt: skip


def families(
    rules: Mapping[str, Document], tests: Mapping[str, Document], apart: tuple[str, ...]
) -> Iterator[Family]:
    """Rules with their tests, by limit.

    Args:
        rules: parsed rule files by name.
        tests: parsed test files by name; those of a limit start with its name.
        apart: rule files that hold the rules of many limits.
    """
    for name, content in rules.items():
        if name not in apart:
            yield _family(name, content, tests, (name,))
    shared = [rules[name] for name in apart]
    found = {rule["labels"][labels.LIMIT]: None for content in shared for rule in _rules(content)}
    for limit in found:
        groups = [
            {**group, "rules": own}
            for content in shared
            for group in content["groups"]
            if (own := [each for each in group["rules"] if each["labels"][labels.LIMIT] == limit])
        ]
        yield _family(limit, {"groups": groups}, tests, apart)


def _family(
    name: str, content: Document, tests: Mapping[str, Document], files: tuple[str, ...]
) -> Family:
    alerts = {rule["alert"] for rule in _rules(content) if "alert" in rule}
    quick: list[Document] = []
    slow: list[Document] = []
    for file, test in tests.items():
        base, _, rest = file.partition(".")
        if base not in files:
            continue
        for one in test["tests"]:
            whole = {**test, "tests": [one]}
            own = _only(whole, name, alerts, content["groups"]) if base != name else whole
            (slow if rest else quick).extend([own] if own else [])
    return Family(name, content, tuple(quick), tuple(slow))


# -- rules and tests ----------------------------------------------------------------------------


def _rules(content: Document) -> list[Rule]:
    return [rule for group in content["groups"] for rule in group["rules"]]


def _identity(content: Document) -> tuple[str, ...]:
    """What the limit of a rule file is about."""
    raw = [rule["expr"] for rule in _rules(content) if rule.get("record") == m.LIMIT_RAW.name]
    by = re.search(r"by \(risk_id, (?P<x>[^)]*)\)", raw[0]) if raw else None
    return tuple(by["x"].split(", ")) if by else ()


def _replaced(content: Document, index: int, wrong: Rule) -> Document:
    groups, seen = [], 0
    for group in content["groups"]:
        own = list(group["rules"])
        if seen <= index < seen + len(own):
            own[index - seen] = wrong
        seen += len(own)
        groups.append({**group, "rules": own})
    return {"groups": groups}


def _only(test: Document, limit: str, names: set[str], groups: list[Document]) -> Document | None:
    """A scenario with the checks of some alerts and no others; None if there are none."""
    (one,) = test["tests"]
    checks = [check for check in one.get("alert_rule_test", ()) if check["alertname"] in names]
    samples = [
        check for check in one.get("promql_expr_test", ())
        if any(f'alertname="{name}"' in check["expr"] for name in names)
        or f'limit="{limit}"' in check["expr"]
    ]  # fmt: skip
    if not checks:
        return None
    kept = {**one, "alert_rule_test": checks, "promql_expr_test": samples}
    return {**test, "group_eval_order": [group["name"] for group in groups], "tests": [kept]}


def _kind(rule: Rule) -> str:
    return str(rule.get("record") or rule["labels"][labels.ESCALATION])


# -- wrong rules --------------------------------------------------------------------------------


def _wrong(
    rule: Rule, tiers: tuple[str, ...], identity: tuple[str, ...]
) -> Iterator[tuple[str, Rule]]:
    expression = rule["expr"]
    seen = {expression}
    for what, changed in _changes(rule, tiers, identity):
        if changed not in seen:
            seen.add(changed)
            yield what, {**rule, "expr": changed}
    for name in (labels.SEVERITY, labels.TIER, labels.LIMIT, labels.ACTION, "window", "digest"):
        if text := rule["labels"].get(name, ""):
            yield f"label {name}", {**rule, "labels": {**rule["labels"], name: text + "x"}}
    for name in ("summary", "description"):
        if "annotations" in rule:
            said = {**rule["annotations"], name: rule["annotations"][name] + "!"}
            yield f"annotation {name}", {**rule, "annotations": said}


def _changes(rule: Rule, tiers: tuple[str, ...], identity: tuple[str, ...]) -> Iterator[Change]:
    """Wrong expressions."""
    # Of a holding, nothing is known below the clear level, so its mildest tier cannot head for
    # the next without being breached.
    sparse = not {"account", "strategy", "venue", "budget"}.issuperset(identity)
    mildest = bool(tiers) and rule["labels"].get(labels.TIER) == tiers[0]
    kept = f"and on (risk_id) {m.BREACH_SINCE.name}" if sparse and mildest else ""
    kind, expression = _kind(rule), rule["expr"]
    if kind not in (m.ACCOUNT_KNOWN.name, m.BREACH_EPISODES.name):
        yield from _tier_swaps(expression, tiers)
    if "record" not in rule and rule["labels"][labels.ESCALATION] == "none":
        yield from _without(expression, r" or on \(risk_id\) risk:held_until_seconds\{[^}]*\}")
    condition = _is_condition(rule)
    for pattern, replace in _CONDITION if condition else _SITES.get(kind, ()):
        for what, changed in _at(expression, pattern, replace):
            # The cut leaves nothing between a clear level and a looser one.
            if not (sparse and mildest and _clears_later(expression, changed)):
                yield what, changed
    if condition:
        yield from _of_condition(expression)
    if condition or kind in _BRANCHES:
        yield from _branches(expression, kept)
    if kind == m.LIMIT_RAW.name:
        yield from _of_raw(expression)


def _is_condition(rule: Rule) -> bool:
    """Whether it says when an alert without a limit is due."""
    own = rule["expr"].lstrip("(").startswith((m.LIMIT_VALUE.name, m.LIMIT_RAW.name))
    return _kind(rule) in (m.LIMIT_VALUE.name, "none") and not own


def _of_condition(expression: str) -> Iterator[Change]:
    """What it is about."""
    for by in re.finditer(r"by \((?P<x>[^)]+)\)", expression):
        names = by["x"].split(", ")
        for name in names:
            kept = ", ".join(other for other in names if other != name)
            changed = f"{expression[: by.start('x')]}{kept}{expression[by.end('x') :]}"
            yield f"identity without {name}", changed


def _at(expression: str, pattern: str, replace: Replace) -> Iterator[Change]:
    """Each place where a pattern matches, its part ``x`` replaced in each of several ways."""
    for match in re.finditer(pattern, expression):
        for new in replace(match["x"]):
            changed = expression[: match.start("x")] + new + expression[match.end("x") :]
            around = expression[max(match.start("x") - 12, 0) : match.end("x") + 8]
            yield f"{match['x']} -> {new} in …{' '.join(around.split())}…", changed


def _shift(part: float, least: float = 0.0) -> Replace:
    """Up and down by a part of a number."""

    def replace(text: str) -> Iterator[str]:
        value = float(text)
        step = max(abs(value) * part, least)
        return (repr(round(value + sign * step, 10)) for sign in (1, -1))

    return replace


def _one(text: str) -> Iterator[str]:
    return (str(int(text) + step) for step in (1, -1))


def _edge(text: str) -> Iterator[str]:
    yield _BOUNDARY[text]


def _sides(text: str) -> Iterator[str]:
    yield _BOUNDARY[text]
    if text in _OPPOSITE:
        yield _OPPOSITE[text]


def _against(text: str) -> Iterator[str]:
    yield _OPPOSITE[text]


def _swap(text: str) -> Iterator[str]:
    yield _OTHER[text]


def _tier_swaps(expression: str, tiers: tuple[str, ...]) -> Iterator[Change]:
    """The series of another tier."""
    return _at(expression, r'tier="(?P<x>\w+)"', lambda text: (t for t in tiers if t != text))


def _without(expression: str, pattern: str) -> Iterator[Change]:
    for match in re.finditer(pattern, expression):
        yield f"without{match[0]}", expression[: match.start()] + expression[match.end() :]


def _branches(expression: str, kept: str = "") -> Iterator[Change]:
    """Without one of the lines that start with an operator and stand for themselves."""
    lines = expression.split("\n")
    for number, line in enumerate(lines):
        if kept and line.startswith(kept):
            continue
        if number and line.count("(") == line.count(")"):
            yield f"without: {line}", "\n".join(lines[:number] + lines[number + 1 :])


def _of_raw(expression: str) -> Iterator[Change]:
    """Aggregation, identity, sign and cut of what a limit is judged by."""
    by = re.search(r"by \((?P<x>[^)]*)\)", expression)
    assert by is not None
    names = by["x"].split(", ")
    for name in names:
        kept = ", ".join(other for other in names if other != name)
        yield f"identity without {name}", expression.replace(by[0], f"by ({kept})")
    yield "identity with instance", expression.replace(by[0], f"by ({by['x']}, instance)")
    if "abs(" in expression:
        yield "sign counts", expression.replace("abs(", "(")
    if cut := re.search(rf", (?P<x>{_NUMBER})\) != ", expression):
        # Only towards danger: a cut that lets more pass changes nothing but the cost.
        sign = 1 if "clamp_min" in expression else -1
        level = float(cut["x"])
        moved = repr(round(level + sign * abs(level) * 1e-5, 12))
        yield f"cut at {moved}", expression.replace(cut["x"], moved)


def _clears_later(expression: str, changed: str) -> bool:
    """Whether a breach merely goes on further towards safety than it did."""
    old, new = (re.search(rf" (?P<side>[<>])=? (?P<x>{_NUMBER})", e) for e in (expression, changed))
    if old is None or new is None or old["side"] != new["side"]:
        return False
    return (float(new["x"]) < float(old["x"])) == (old["side"] == ">")


_LEVEL: Final = _shift(1e-5)
_TIME: Final = _shift(0.15)
_AGGREGATION: Final = r"\b(?P<x>max|min) by"
_SITES: Final[Mapping[str, tuple[tuple[str, Replace], ...]]] = {
    # What counts as fresh matters to what is judged; this follows it.
    m.ACCOUNT_KNOWN.name: (
        (r"time\(\) \+ (?P<x>\d+)", _TIME),
        (r"(?P<x>>) time\(\)", _edge),
    ),
    m.LIMIT_RAW.name: (
        (_AGGREGATION, _swap),
        (r"\b(?P<x>clamp_(?:min|max))\(", _swap),
        (r"(?P<x><=) ", _edge),
        (rf"<= (?P<x>{_NUMBER})", _shift(1e-3)),
    ),
    m.BREACH_SINCE.name: (
        (rf" (?P<x>[<>]=?) (?={_NUMBER})", _sides),
        (rf" [<>]=? (?P<x>{_NUMBER})", _LEVEL),
    ),
    # From the end of a breach, a cooldown ahead is always ahead: only its length matters.
    m.HELD_UNTIL.name: (
        (rf"\+ (?P<x>{_NUMBER}) >", _TIME),
        (r"\]\) (?P<x>>) time\(\)", _edge),
    ),
    m.UNACKED_SINCE.name: (
        (_AGGREGATION, _swap),
        (r'seconds\{tier="(?P<x>\w+)"', lambda text: (f"{text}x",)),
        # The later of two that are equal is either of them.
        (r"\) (?P<x>>) ", _against),
        (r"(?P<x><=) time\(\)", _against),
        (rf"> \([^)]* \+ (?P<x>{_NUMBER})", lambda text: (f"{text}000",)),
        (rf"\nor on \(risk_id\) \([^)]* \+ (?P<x>{_NUMBER})", _shift(0.25)),
    ),
    # Half an evaluation is taken off, so no time is ever met exactly: no boundary to move.
    "time": ((rf">= (?P<x>{_NUMBER})", _TIME), (r" (?P<x>>=) ", _against)),
    m.BREACH_EPISODES.name: (
        (r"time\(\) - (?P<x>\d+)", _TIME),
        (r"(?P<x>>) bool", _edge),
    ),
    "frequency": ((r">= (?P<x>\d+)", _one),),
    m.TREND_VALUE.name: ((r"^(?P<x>-1 \* |)", lambda text: ("" if text else "-1 * ",)),),
    # A flat value has no worse sixths, so "rises" and "does not fall" say the same there.
    m.TREND_RATE.name: (
        (r"\]\) (?P<x>>) 0", _against),
        (r" (?P<x>==) 0", _edge),
        (r">= (?P<x>\d+)", _one),
    ),
    "trend": (
        (rf"\((?P<x>{_NUMBER}) - ", _shift(1e-2)),
        (r"<= (?P<x>\d+)", _TIME),
        (rf" > (?P<x>{_NUMBER})", _shift(0.25)),
        (r" (?P<x>[<>]=?) ", _against),
    ),
    m.THRESHOLD.name: ((rf"vector\((?P<x>{_NUMBER})\)", _LEVEL),),
    "none": ((rf"time\(\) - (?P<x>{_NUMBER})", _shift(0.2)),),
}
_BRANCHES: Final = (m.ACCOUNT_KNOWN.name, m.LIMIT_RAW.name, m.LIMIT_VALUE.name,
                    m.UNACKED_SINCE.name, "trend", m.HELD_UNTIL.name)  # fmt: skip
_CONDITION: Final[tuple[tuple[str, Replace], ...]] = (
    # Whoever is down now has also been down lately, and an event that is shown is always 1.
    (r"(?<!absent\()\b(?P<x>max|min)\b", _swap),
    (r"\b(?P<x>(?:max|min)_over_time)\b(?!\(\()", _swap),
    (rf" (?P<x>[<>]=?|==) (?={_NUMBER})(?!\d+\.5)", _sides),
    (r">= (?P<x>\d+)(?![\d.])", _one),
    (r">= (?P<x>\d+\.\d+)", _TIME),
    (r"> (?P<x>[01])(?![\d.])", _shift(0, 1.5)),
    (rf"[<>] (?P<x>(?![01](?![\d.])){_NUMBER})", _shift(0.02)),
    (r"< (?P<x>1)(?![\d.])", _shift(0.02)),
    (r'(?:job|kind|outcome|limit|window)="(?P<x>[^"]+)"', lambda text: (f"{text}x",)),
)
