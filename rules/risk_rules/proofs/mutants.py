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

from promql_parser import parse_duration

from risk_policy.catalogue import metrics as m
from risk_policy.contracts import alert as labels
from risk_policy.contracts.artefact import duration
from risk_rules.labelled import in_expression, plain

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
class About:
    """What is known of a limit from all of its rules.

    Attributes:
        tiers: the mildest first.
        held_from_the_end: a cooldown counts from the end of a breach, so it holds throughout it.
    """

    tiers: tuple[str, ...]
    identity: tuple[str, ...]
    held_from_the_end: bool


def kind_of(rule: Rule) -> str:
    return str(rule.get("record") or plain(rule)["labels"][labels.ESCALATION])


# -- wrong rules --------------------------------------------------------------------------------


def wrong_rules(rule: Rule, about: About) -> Iterator[tuple[str, Rule]]:
    """Every wrong version of a rule, with its labels where the rule has them."""
    own = plain(rule)
    moved = own["expr"] != rule["expr"]
    for what, wrong in _wrong(own, about):
        yield what, in_expression(wrong) if moved else wrong


def _wrong(rule: Rule, about: About) -> Iterator[tuple[str, Rule]]:
    expression = rule["expr"]
    seen = {expression}
    for what, changed in _changes(rule, about):
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


def _changes(rule: Rule, about: About) -> Iterator[Change]:
    """Wrong expressions."""
    tiers, identity = about.tiers, about.identity
    # Of a holding, nothing is known below the clear level, so its mildest tier cannot head for
    # the next without being breached.
    sparse = not {"account", "strategy", "venue", "budget"}.issuperset(identity)
    mildest = bool(tiers) and rule["labels"].get(labels.TIER) == tiers[0]
    kept = f"and on (risk_id) {m.BREACH_SINCE.name}" if sparse and mildest else ""
    kind, expression = kind_of(rule), rule["expr"]
    if kind not in (m.ACCOUNT_KNOWN.name, m.BREACH_EPISODES.name):
        yield from _tier_swaps(expression, about)
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
    return kind_of(rule) in (m.LIMIT_VALUE.name, "none") and not own


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


def _longer(text: str) -> Iterator[str]:
    """A duration up and down by a third."""
    size = parse_duration(text).total_seconds()
    return (duration(round(size * factor, 3)) for factor in (4 / 3, 2 / 3))


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


def _tier_swaps(expression: str, about: About) -> Iterator[Change]:
    """The series of another tier."""
    # Whatever is in breach is held as well if the cooldown counts from the end.
    needless = rf"(?!\}}(?: <= time\(\) - {_NUMBER}\))? or on \(risk_id\) {m.HELD_UNTIL.name})"
    pattern = r'tier="(?P<x>\w+)"' + (needless if about.held_from_the_end else "")
    return _at(expression, pattern, lambda text: (t for t in about.tiers if t != text))


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
    level = re.compile(rf" (?P<side>[<>])(?P<equal>=?) (?P<x>{_NUMBER})")
    old, new = level.search(expression), level.search(changed)
    if old is None or new is None or old["side"] != new["side"]:
        return False
    further = (float(old["x"]) - float(new["x"])) * (1 if old["side"] == ">" else -1)
    return further > 0 or (further == 0 and new["equal"] > old["equal"])


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
    (rf"> time\(\) - (?P<x>{_NUMBER})", _TIME),
    (r"(?P<x>>) time\(\)", _against),
    # A latch finds its own last sample over any range, and who answers now has answered lately.
    (
        r"(?:increase|(?:absent|min|last)_over_time)\((?!risk:limit_value)[^\[]*\[(?P<x>\d+\w+)\]",
        _longer,
    ),
    (r'(?:job|kind|outcome|limit|window)="(?P<x>[^"]+)"', lambda text: (f"{text}x",)),
)
