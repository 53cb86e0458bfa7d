"""What is known of the alerts that reach Alertmanager: labels with a value, labels without.

A rule says some values for all its alerts; of others only the name is known, as their value comes
with the series. So whether a matcher takes an alert is answered in two ways: whether it may, and
whether it must.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from risk_policy.contracts import alert as labels
from risk_policy.model.mute_times import MUTABLE_CATEGORIES
from risk_policy.quiet import NEVER_MUTED_ACTIONS
from risk_policy.vocabulary import Action, Category, Severity, Tier
from risk_rules.lint.matchers import Matcher
from risk_rules.lint.subject import Subject

#: Ask nothing of machine or people but to know.
QUIET_ACTIONS = (Action.LOG, Action.NOTIFY)


@dataclass(frozen=True, slots=True)
class Alert:
    """The alerts of one rule.

    Attributes:
        name: of the rule that raises them.
        key: the policy key that it follows from.
        known: labels that all of them have, with their values.
        carried: labels that come with the series; None if nobody knows which.
    """

    name: str
    key: str
    known: Mapping[str, str]
    carried: frozenset[str] | None

    def may_pass(self, matchers: Iterable[Matcher]) -> bool:
        """Whether some of them can pass all matchers."""
        return all(self._may(name, own) for name, own in _by_label(matchers).items())

    def must_pass(self, matchers: Iterable[Matcher]) -> bool:
        """Whether each of them passes all matchers."""
        return all(self._must(each) for each in matchers)

    def lacks(self, label: str) -> bool:
        """Whether none of them has a label."""
        return not self.known[label] if label in self.known else self._is_absent(label)

    @property
    def severity(self) -> Severity | None:
        """What they count as."""
        word = self.known.get(labels.SEVERITY, "")
        return Severity(word) if word in set(Severity) else None

    @property
    def tier(self) -> Tier | None:
        """The threshold they are about."""
        word = self.known.get(labels.TIER, "")
        return Tier(word) if word in set(Tier) else None

    @property
    def action(self) -> Action | None:
        """What they ask for."""
        word = self.known.get(labels.ACTION, "")
        return Action(word) if word in set(Action) else None

    @property
    def acts(self) -> bool:
        """Whether they ask for more than to be known."""
        return self.action is not None and self.action not in QUIET_ACTIONS

    @property
    def trips(self) -> bool:
        """Whether they trip the kill switch."""
        return self.action is not None and self.action.trips_kill_switch

    @property
    def is_never_muted(self) -> bool:
        """Whether no window of the policy may keep people from hearing of them."""
        category = self.known.get(labels.CATEGORY, "")
        fixed = category in set(Category) and Category(category) not in MUTABLE_CATEGORIES
        return fixed or self.severity is Severity.EMERGENCY or self.action in NEVER_MUTED_ACTIONS

    def is_worse_than(self, other: Alert) -> bool:
        """Whether knowing these makes knowing the other ones needless."""
        own, others = self._rank, other._rank
        return (own[0] > others[0] and own[1] >= others[1]) or (
            own[0] == others[0] and own[1] > others[1]
        )

    def can_share(self, other: Alert, names: Iterable[str]) -> bool:
        """Whether both can have the same values of labels; what is missing on both is the same."""
        for name in names:
            mine, theirs = self.known.get(name), other.known.get(name)
            if mine is not None and theirs is not None and mine != theirs:
                return False
            if name == labels.RISK_ID and "" != self.limit != other.limit != "":
                return False
            if None not in (self.carried, other.carried) and self.lacks(name) != other.lacks(name):
                return False
        return True

    @property
    def title(self) -> str:
        """As it is told."""
        about = [each.value for each in (self.severity, self.action if self.acts else None) if each]
        return f"{self.name} ({', '.join(about)})" if about else self.name

    @property
    def limit(self) -> str:
        """What they are about."""
        return self.known.get(labels.LIMIT, "")

    @property
    def _rank(self) -> tuple[int, int]:
        """Tier and severity; without one it is milder than any that has it."""
        return (
            -1 if self.tier is None else self.tier.rank,
            -1 if self.severity is None else self.severity.rank,
        )

    def _is_absent(self, label: str) -> bool:
        return self.carried is not None and label not in self.carried

    def _may(self, label: str, matchers: list[Matcher]) -> bool:
        if label in self.known:
            return all(each.takes(self.known[label]) for each in matchers)
        if self._is_absent(label):
            return all(each.takes("") for each in matchers)
        listed = [each.words for each in matchers if each.words]
        return not listed or any(
            self._can_be(label, word) and all(each.takes(word) for each in matchers)
            for word in listed[0]
        )

    def _can_be(self, label: str, word: str) -> bool:
        """A risk_id begins with its limit."""
        return label != labels.RISK_ID or not self.limit or word.split("/")[0] == self.limit

    def _must(self, matcher: Matcher) -> bool:
        if matcher.name in self.known:
            return matcher.takes(self.known[matcher.name])
        if self._is_absent(matcher.name):
            return matcher.takes("")
        # A risk_id is never empty; of other labels nobody knows.
        whole = matcher.operator == "=~" and matcher.value in (".*", ".+")
        return whole and (matcher.value == ".*" or matcher.name == labels.RISK_ID)


def alerts_of(subject: Subject) -> Iterator[Alert]:
    """What the rules at hand can raise."""
    for rule in subject.alerts:
        shape = subject.shapes.of_expression(rule.expression)
        known = {**rule.labels, labels.ALERTNAME: rule.alert}
        carried = None if shape is None else shape.labels - known.keys()
        yield Alert(rule.alert, rule.key, known, carried)


def foreign_alerts() -> Iterator[Alert]:
    """Any other alerts in the words of the vocabulary: what somebody else sends, too, is told."""
    for severity, category, action in product(Severity, ("", *Category), ("", *Action)):
        known = {labels.SEVERITY: severity.value}
        known |= {labels.CATEGORY: str(category)} if category else {}
        known |= {labels.ACTION: str(action)} if action else {}
        yield Alert("", "", known, frozenset())


def shown(alerts: Iterable[Alert], most: int = 5) -> str:
    """Some of them by name, and how many more there are."""
    titles = tuple(dict.fromkeys(each.title for each in alerts))
    more = len(titles) - most
    return ", ".join(titles[:most]) + (f" and {more} more" if more > 0 else "")


def _by_label(matchers: Iterable[Matcher]) -> dict[str, list[Matcher]]:
    found: dict[str, list[Matcher]] = {}
    for each in matchers:
        found.setdefault(each.name, []).append(each)
    return found
