"""Silences that cover more than one acknowledged alert, or alerts that act.

An acknowledgement names one risk_id and the tiers up to the one it is for. Whatever a silence
does, the machine still acts: it is people who would not hear of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from risk_policy.contracts import alert as labels
from risk_policy.vocabulary import Action
from risk_rules.errors import RulesError
from risk_rules.lint.finding import Finding, Level
from risk_rules.lint.rules import Rule

_CHECK: Final = "silences"
_QUIET: Final = (Action.LOG, Action.NOTIFY)
_SPECIAL: Final = re.compile(r"[.+*?()\[\]{}^$\\]")
_SHOWN: Final = 5


class SilencesError(RulesError):
    """What should be Alertmanager's list of silences is something else."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition of a silence."""

    name: str
    value: str
    is_regex: bool
    is_equal: bool

    def takes(self, value: str) -> bool:
        """Whether a label with this value passes; patterns nobody can read pass everything."""
        try:
            equal = (
                re.fullmatch(self.value, value) is not None
                if self.is_regex
                else value == self.value
            )
        except re.error:
            return True
        return equal == self.is_equal

    @property
    def words(self) -> tuple[str, ...]:
        """The only values it lets pass; none if they are not listed one by one."""
        if not self.is_equal or not self.value:
            return ()
        if not self.is_regex:
            return (self.value,)
        return () if _SPECIAL.search(self.value) else tuple(self.value.split("|"))

    def __str__(self) -> str:
        sign = ("=" if self.is_equal else "!") + ("~" if self.is_regex else "")
        return f"{self.name}{'!=' if sign == '!' else sign}{json.dumps(self.value)}"


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence that mutes something now, or will."""

    identifier: str
    author: str
    comment: str
    matchers: tuple[Matcher, ...]

    @property
    def text(self) -> str:
        """Its conditions."""
        return "{" + ", ".join(map(str, self.matchers)) + "}"

    @property
    def is_acknowledgement(self) -> bool:
        """Whether it names one risk_id and its tiers, and no more."""
        risks = [each for each in self.matchers if each.name == labels.RISK_ID]
        tiers = [each for each in self.matchers if each.name == labels.TIER]
        return any(len(each.words) == 1 for each in risks) and any(each.words for each in tiers)

    def may_cover(self, rule: Rule, carried: frozenset[str]) -> bool:
        """Whether it can match an alert of a rule whose series have these labels."""
        known = {**rule.labels, labels.ALERTNAME: rule.alert}
        for matcher in self.matchers:
            if matcher.name in known:
                if not matcher.takes(known[matcher.name]):
                    return False
            elif matcher.name == labels.RISK_ID and labels.RISK_ID in carried:
                limit = rule.labels.get(labels.LIMIT, "")
                of_limit = [word for word in matcher.words if word.split("/")[0] == limit]
                if matcher.words and not of_limit:
                    return False
            elif matcher.name not in carried and not matcher.takes(""):
                return False
        return True


def parse(text: str) -> tuple[Silence, ...]:
    """The silences of Alertmanager's ``/api/v2/silences`` that are not over.

    Raises:
        SilencesError: it is something else.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise SilencesError(f"the silences are not JSON: {error}") from error
    if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
        raise SilencesError("the silences are not a list, as /api/v2/silences answers with")
    return tuple(_silence(each) for each in content if _state(each) != "expired")


def check_silences(
    silences: Iterable[Silence], rules: Iterable[tuple[Rule, frozenset[str]]]
) -> Iterator[Finding]:
    """Every silence, against every alert with the labels its series have."""
    alerts = list(rules)
    for silence in silences:
        covered = [
            rule
            for rule, carried in alerts
            if rule.labels.get(labels.ACTION, Action.LOG) not in _QUIET
            and silence.may_cover(rule, carried)
        ]
        acting = tuple(
            dict.fromkeys(f"{rule.alert} ({rule.labels[labels.ACTION]})" for rule in covered)
        )
        who = f"silence {silence.identifier} of {silence.author or 'nobody'} {silence.text}"
        if not silence.is_acknowledgement:
            listed = f", among it {_shown(acting)}" if acting else ""
            yield Finding(
                _CHECK,
                Level.ERROR,
                f"{who} covers more than one risk_id and its tiers{listed}",
                "expire it; acknowledge single alerts: riskwarden rules explain ALERT says how",
            )
        elif acting:
            yield Finding(
                _CHECK,
                Level.WARNING,
                f"{who} keeps people from hearing of {_shown(acting)}; the machine acts all the "
                "same",
                "make sure that whoever acknowledged it knows what it does, or expire it",
            )


def _shown(names: tuple[str, ...]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _state(content: dict[str, Any]) -> str:
    status = content.get("status")
    return str(status.get("state", "")) if isinstance(status, dict) else ""


def _silence(content: dict[str, Any]) -> Silence:
    matchers = content.get("matchers")
    return Silence(
        identifier=str(content.get("id", "without id")),
        author=str(content.get("createdBy", "")),
        comment=str(content.get("comment", "")),
        # What cannot be read is no condition, so that the silence counts as broad.
        matchers=tuple(
            Matcher(
                str(each["name"]),
                str(each.get("value", "")),
                bool(each.get("isRegex", False)),
                bool(each.get("isEqual", True)),
            )
            for each in (matchers if isinstance(matchers, list) else [])
            if isinstance(each, dict) and "name" in each
        ),
    )
