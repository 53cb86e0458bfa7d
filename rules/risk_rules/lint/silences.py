"""Silences that cover more than one acknowledged alert, or alerts that act.

An acknowledgement names one risk_id and the tiers up to the one it is for. Whatever a silence
does, the machine still acts: it is people who would not hear of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from risk_policy.contracts import alert as labels
from risk_rules.errors import RulesError
from risk_rules.lint.alerts import Alert
from risk_rules.lint.finding import Finding, Level
from risk_rules.lint.matchers import Matcher

_CHECK: Final = "silences"
_SHOWN: Final = 5


class SilencesError(RulesError):
    """What should be Alertmanager's list of silences is something else."""


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


def check_silences(silences: Iterable[Silence], alerts: Iterable[Alert]) -> Iterator[Finding]:
    """Every silence, against every alert that acts."""
    acts = [alert for alert in alerts if alert.acts]
    for silence in silences:
        covered = [alert for alert in acts if alert.may_pass(silence.matchers)]
        acting = tuple(dict.fromkeys(f"{alert.name} ({alert.action})" for alert in covered))
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
            Matcher(str(each["name"]), _operator(each), str(each.get("value", "")))
            for each in (matchers if isinstance(matchers, list) else [])
            if isinstance(each, dict) and "name" in each
        ),
    )


def _operator(content: dict[str, Any]) -> str:
    is_equal, is_regex = content.get("isEqual", True), content.get("isRegex", False)
    if is_regex:
        return "=~" if is_equal else "!~"
    return "=" if is_equal else "!="
