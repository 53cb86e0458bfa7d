"""What a silence mutes, and which incidents it acknowledges. Pure.

Matching is Alertmanager's: every matcher must hold, a label that is missing counts as empty,
regular expressions match the whole value. What cannot be told (an expression that is not
understood here) is None, and whoever asks takes the side on which nobody misses an alert: such
a silence acknowledges nothing, and counts as one that mutes too much.

An acknowledgement is an active silence on one ``risk_id`` and on tiers, never on severity, and
it covers what has happened: the tiers up to the worst one that fires. A tier that fires later
and is worse was never acknowledged, whatever the silence mutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from risk_policy.contracts.alert import ESCALATION, RISK_ID, SEVERITY, TIER
from risk_policy.vocabulary import Tier
from risk_receivers.acks.regex import UnreadableRegexError, compiled, literal
from risk_receivers.intake.alert import key_of

#: Tiers from mildest to worst; alerts without a threshold have none.
TIERS: Final = ("", *(tier.value for tier in Tier))
#: Labels that change while the incident stays the same.
VOLATILE: Final = frozenset({SEVERITY, ESCALATION})

_OPERATORS: Final = {
    (True, False): "=",
    (False, False): "!=",
    (True, True): "=~",
    (False, True): "!~",
}


class SilenceState(StrEnum):
    """Where Alertmanager says that a silence stands."""

    ACTIVE = "active"
    PENDING = "pending"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label, as Alertmanager writes it."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True

    def holds(self, value: str) -> bool | None:
        """Whether a label's value satisfies it; None if that cannot be told."""
        if not self.is_regex:
            return (value == self.value) == self.is_equal
        try:
            return compiled(self.value)(value) == self.is_equal
        except UnreadableRegexError:
            return None

    @property
    def only_value(self) -> str | None:
        """The one value that satisfies it, if there is just one that is known."""
        if not self.is_equal:
            return None
        return literal(self.value) if self.is_regex else self.value

    def __str__(self) -> str:
        operator = _OPERATORS[self.is_equal, self.is_regex]
        escaped = self.value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        return f'{self.name}{operator}"{escaped}"'


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence as Alertmanager lists it.

    Attributes:
        starts_at_text: as it was written. Only a silence that is sent back with the same start
            is changed in place; with any other a new one is made.
    """

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    state: SilenceState
    author: str = ""
    comment: str = ""
    starts_at_text: str = ""


@dataclass(frozen=True, slots=True)
class Breach:
    """An open incident, as far as silences are about it."""

    risk_id: str
    tier: str
    labels: Mapping[str, str]
    incident: str = ""

    @property
    def rank(self) -> int:
        """Where its tier stands, 0 for none."""
        return tier_rank(self.tier)


def one_line(text: str, longest: int = 1000) -> str:
    """Somebody's words, so that they can neither forge a line of a log nor steer a terminal."""
    return "".join(char if char.isprintable() else " " for char in text[:longest]).strip()


def tier_rank(tier: str) -> int:
    """Where a tier stands; one that nobody knows counts as the worst."""
    return TIERS.index(tier) if tier in TIERS else len(TIERS)


def mutes(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool | None:
    """Whether all of them hold; None if that cannot be told."""
    certain = True
    for matcher in matchers:
        holds = matcher.holds(labels.get(matcher.name, ""))
        if holds is False:
            return False
        certain = certain and holds is not None
    return True if certain else None


def risk_id_label(matchers: Iterable[Matcher]) -> str | None:
    """The one ``risk_id`` that matchers are about, as it is written, if they are about one."""
    values = (matcher.only_value for matcher in matchers if matcher.name == RISK_ID)
    return next((value for value in values if value), None)


def named_risk_id(matchers: Iterable[Matcher]) -> str | None:
    """The same as incidents have it, where one that is too long is cut."""
    label = risk_id_label(matchers)
    return None if label is None else key_of(label)


def acknowledged(matchers: tuple[Matcher, ...], firing: Iterable[Breach]) -> tuple[str, ...]:
    """The tiers of its ``risk_id`` that a silence acknowledges, given all that fires."""
    risk_id = named_risk_id(matchers)
    if risk_id is None or any(matcher.name in VOLATILE for matcher in matchers):
        return ()
    muted = [
        breach for breach in firing if breach.risk_id == risk_id and mutes(matchers, breach.labels)
    ]
    if not muted:
        return ()
    worst = max(muted, key=lambda breach: breach.rank)
    if worst.tier not in TIERS:
        return (worst.tier,)
    of_tier = [matcher for matcher in matchers if matcher.name == TIER]
    up_to = TIERS[: worst.rank + 1] if worst.tier else ("",)
    return tuple(
        tier
        for tier in up_to
        if (tier or not worst.tier) and all(matcher.holds(tier) for matcher in of_tier)
    )


def worse_muted(
    matchers: tuple[Matcher, ...], tiers: tuple[str, ...], firing: Iterable[Breach]
) -> Breach | None:
    """The worst breach that a silence mutes although it is worse than what it acknowledged."""
    risk_id = named_risk_id(matchers)
    covered = max((tier_rank(tier) for tier in tiers), default=0)
    beyond = [
        breach
        for breach in firing
        if breach.risk_id == risk_id
        and breach.rank > covered
        and mutes(matchers, breach.labels) is not False
    ]
    return max(beyond, key=lambda breach: breach.rank, default=None)


def ack_matchers(risk_id: str, tier: str) -> tuple[Matcher, ...]:
    """The matchers of an acknowledgement: every tier up to this one, in Alertmanager's old syntax.

    Values of ours need no escaping in any version; the tiers are plain words.
    """
    known = tier in TIERS and tier
    tiers = TIERS[1 : TIERS.index(tier) + 1] if known else (tier,)
    regex = len(tiers) > 1
    return (
        Matcher(RISK_ID, risk_id),
        Matcher(TIER, "|".join(tiers), is_regex=regex),
    )


def matchers_for(breach: Breach) -> tuple[Matcher, ...]:
    """Those of a breach, as its labels have them: a risk_id that is too long is cut here alone."""
    labels = breach.labels
    return ack_matchers(labels.get(RISK_ID) or breach.risk_id, labels.get(TIER, breach.tier))
