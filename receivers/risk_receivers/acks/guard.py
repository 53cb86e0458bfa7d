"""The silence guard: which silences mute more than an acknowledgement may. Pure.

A silence mutes people, never the machine; all the more somebody has to know when people would
hear nothing. Two things are too much: alerts of more than one ``risk_id``, and an alert with an
action (whatever asks for more than to log, notify or review) before it has fired, which nobody
can have acknowledged.

Judged against the catalogue of alerts, not against what happens to fire: a silence is too broad
from the moment it is made. Silences that cannot be about any alert of ours are nobody's concern
here, and a matcher that is not understood might match anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from risk_policy.catalogue.limits import LIMITS
from risk_policy.catalogue.system import SYSTEM_ALERTS
from risk_policy.contracts import alert as names
from risk_policy.vocabulary import Action, Escalation, Severity, Tier
from risk_receivers.acks.silences import Breach, Matcher, mutes, named_risk_id

#: What asks for nothing but people.
_HARMLESS: Final = (Action.LOG, Action.NOTIFY, Action.REVIEW, Action.FORCE_CLOSE_REVIEW)
#: More silences than are in force at a time.
_MOST_REMEMBERED: Final = 1024


@dataclass(frozen=True, slots=True)
class _Known:
    """An alert that the rules can raise: its fixed labels, and those whose values are open."""

    fixed: tuple[tuple[str, str], ...]
    limit: str
    open_labels: frozenset[str]
    action: Action
    tier: str
    name: str


@dataclass(frozen=True, slots=True)
class Excess:
    """Why a silence mutes too much.

    Attributes:
        reasons: in words; none if it does not.
        covers_kill: whether people would not hear of an alert that trips the kill switch.
    """

    reasons: tuple[str, ...] = ()
    covers_kill: bool = False


def excess(
    matchers: tuple[Matcher, ...], tiers: tuple[str, ...], firing: Iterable[Breach]
) -> Excess:
    """What is too much about a silence, given what it acknowledged and all that fires."""
    covered = _covered(matchers)
    if not covered:
        return Excess()
    reasons = []
    risk_id = named_risk_id(matchers)
    if risk_id is None:
        reasons.append("it is not tied to one risk_id")
    fired = {
        (breach.risk_id, breach.tier)
        for breach in firing
        if mutes(matchers, breach.labels) is not False
    } | {(risk_id, tier) for tier in tiers}
    early = [
        known
        for known in covered
        if known.action not in _HARMLESS and (risk_id is None or (risk_id, known.tier) not in fired)
    ]
    if early:
        early.sort(key=lambda known: (not known.action.trips_kill_switch, known.name))
        found = list(dict.fromkeys(known.name for known in early))
        shown = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        reasons.append(f"it covers alerts that ask for action and have not fired: {shown}")
    kill = any(known.action.trips_kill_switch for known in early)
    return Excess(tuple(reasons), kill)


@lru_cache(maxsize=_MOST_REMEMBERED)
def _covered(matchers: tuple[Matcher, ...]) -> tuple[_Known, ...]:
    """What a silence may cover at all. Every look asks that of every silence in force."""
    return tuple(known for known in _CATALOGUE if _may_cover(matchers, known))


def _may_cover(matchers: tuple[Matcher, ...], known: _Known) -> bool:
    fixed = dict(known.fixed)
    return all(_may_hold(matcher, known, fixed) for matcher in matchers)


def _may_hold(matcher: Matcher, known: _Known, fixed: dict[str, str]) -> bool:
    if matcher.name in fixed:
        return matcher.holds(fixed[matcher.name]) is not False
    if matcher.name == names.SEVERITY:  # it rises by escalation
        return any(matcher.holds(severity.value) is not False for severity in Severity)
    if matcher.name == names.ESCALATION:
        return any(matcher.holds(escalation.value) is not False for escalation in Escalation)
    if matcher.name == names.RISK_ID:
        return _may_be_about(matcher, known.limit)
    if matcher.name in known.open_labels:
        return matcher.only_value != ""
    return matcher.holds("") is not False


def _may_be_about(matcher: Matcher, limit: str) -> bool:
    """Whether a condition on ``risk_id`` can hold for a limit."""
    if not matcher.is_equal:
        return True
    parts = matcher.value.split("|") if matcher.is_regex else [matcher.value]
    values = [Matcher(names.RISK_ID, part, is_regex=matcher.is_regex).only_value for part in parts]
    if any(value is None for value in values):
        return matcher.value != ""
    return any(value == limit or str(value).startswith(f"{limit}/") for value in values)


def _catalogue() -> Iterator[_Known]:
    for limit in LIMITS:
        for spec in limit.alerts:
            yield _known(
                limit.name, spec.name, spec.tier.value, spec.action, frozenset(limit.identity),
                category=limit.category.value, layer=limit.layer.value,
            )  # fmt: skip
    tiers = {tier.value for tier in Tier}
    for alert in SYSTEM_ALERTS:
        severity = alert.severity.value
        for action in alert.possible_actions:
            yield _known(
                alert.limit, alert.name, severity if severity in tiers else "", action,
                frozenset(alert.identity), category=alert.category.value, layer=alert.layer.value,
            )  # fmt: skip


def _known(
    limit: str, name: str, tier: str, action: Action, identity: frozenset[str], **more: str
) -> _Known:
    fixed = {
        names.ALERTNAME: name,
        names.LIMIT: limit,
        names.TIER: tier,
        names.ACTION: action.value,
        **more,
    }
    return _Known(tuple(fixed.items()), limit, identity, action, tier, name)


_CATALOGUE: Final = tuple(_catalogue())
