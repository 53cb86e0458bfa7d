"""Whose rules can be wrong, and which tests have to notice: a limit's rules with its tests.

The rules of a limit are taken out of their file with it alone, but for alerts about alerts, which
need the others beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.contracts import alert as labels
from risk_policy.vocabulary import Tier
from risk_rules.labelled import plain
from risk_rules.proofs.mutants import About, Document, Rule, kind_of, wrong_rules


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
        rules: those of the limit, and those whose alerts it is about.
        quick: tests at the policy's own pace, of one scenario each.
        slow: tests of what takes minutes.
    """

    name: str
    rules: Document
    quick: tuple[Document, ...]
    slow: tuple[Document, ...]

    def mutants(self) -> Iterator[Mutant]:
        """Every wrong version of one of its rules."""
        own = _own(self.name, self.rules)
        said = {plain(rule)["labels"].get(labels.TIER) for rule in own}
        tiers = tuple(tier.value for tier in Tier if tier.value in said)
        about = About(tiers, _identity(self.rules), _held_from_the_end(own))
        for rule in own:
            kind = kind_of(rule)
            # Where it is most likely noticed comes first.
            first = self.quick + self.slow if kind in _QUICK else self.slow + self.quick
            for what, wrong in wrong_rules(rule, about):
                name = rule.get("record") or f"{rule['alert']} ({kind})"
                tier = plain(rule)["labels"].get(labels.TIER, "")
                yield Mutant(
                    self.name, f"{name} {tier}: {what}", _replaced(self.rules, rule, wrong), first
                )

    def right(self) -> Mutant:
        """Its rules as they are, which has to pass: else a failing test says nothing."""
        return Mutant(self.name, "nothing is wrong", self.rules, self.quick + self.slow)


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
    found = {
        plain(rule)["labels"][labels.LIMIT]: None for content in shared for rule in _rules(content)
    }
    for limit in found:
        groups = [
            {**group, "rules": own}
            for content in shared
            for group in content["groups"]
            if (
                own := [
                    each for each in group["rules"] if plain(each)["labels"][labels.LIMIT] == limit
                ]
            )
        ]
        if _reads_alerts({"groups": groups}):
            groups = [group for content in shared for group in content["groups"]]
        yield _family(limit, {"groups": groups}, tests, apart)


def _family(
    name: str, content: Document, tests: Mapping[str, Document], files: tuple[str, ...]
) -> Family:
    alerts = {rule["alert"] for rule in _own(name, content) if "alert" in rule}
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


def _own(name: str, content: Document) -> list[Rule]:
    """The rules of one limit, without those that are there to be read."""
    found = _rules(content)
    if not _reads_alerts(content):
        return found
    return [rule for rule in found if plain(rule)["labels"].get(labels.LIMIT) == name]


def _reads_alerts(content: Document) -> bool:
    """Whether some of it is about other alerts, which have to be there for it to fire."""
    return any("ALERTS{" in rule["expr"] for rule in _rules(content))


def _held_from_the_end(rules: Iterable[Rule]) -> bool:
    held = [rule["expr"] for rule in rules if rule.get("record") == m.HELD_UNTIL.name]
    return bool(held) and all("* 0 + time()" in expression for expression in held)


def _identity(content: Document) -> tuple[str, ...]:
    """What the limit of a rule file is about."""
    raw = [rule["expr"] for rule in _rules(content) if rule.get("record") == m.LIMIT_RAW.name]
    by = re.search(r"by \(risk_id, (?P<x>[^)]*)\)", raw[0]) if raw else None
    return tuple(by["x"].split(", ")) if by else ()


def _replaced(content: Document, right: Rule, wrong: Rule) -> Document:
    groups = [
        {**group, "rules": [wrong if rule is right else rule for rule in group["rules"]]}
        for group in content["groups"]
    ]
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
    order = [*test["group_eval_order"], *(group["name"] for group in groups)]
    there = {group["name"] for group in groups}
    order = [name for name in dict.fromkeys(order) if name in there]
    return {**test, "group_eval_order": order, "tests": [kept]}
