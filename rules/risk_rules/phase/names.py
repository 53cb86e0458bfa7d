"""Which groups have to be evaluated just behind a scrape, and under which names they are.

A name that was chosen is the group's own, a dot and a number: ``riskwarden-drawdown.417``. The
number means nothing but that Prometheus's hash of it falls where it is wanted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from risk_policy.model import Policy
from risk_rules.groups import rule_files, trips
from risk_rules.phase.offsets import NANOSECONDS, Layout, Seen, offset_nanoseconds

_NUMBERED: Final = re.compile(r"(?P<plain>.+)\.(?P<number>\d+)")
_NAME_LINE: Final = re.compile(r"^(?P<before>  - name: )(?P<name>\S+)$", re.MULTILINE)
#: Between samples and evaluation: what a scrape may be later after the next start, and the commit.
_SPARE_RATIO: Final = 0.02
_LEAST_SPARE_SECONDS: Final = 0.01
#: How exactly a chosen name meets the moment. One in a hundred does.
_WINDOW_RATIO: Final = 0.01
#: How much later than it may stay without a new name.
_NEAR_RATIO: Final = 0.05


def plain(name: str) -> str:
    """The name that the policy gives a group, whatever was chosen for it."""
    found = _NUMBERED.fullmatch(name)
    return found["plain"] if found else name


def kept(wanted: str, found: str) -> str:
    """A rule file as the policy has it, under the names chosen in the one that is there."""
    chosen_names = {plain(one["name"]): one["name"] for one in _NAME_LINE.finditer(found)}
    return renamed(wanted, chosen_names)


def renamed(text: str, names: Mapping[str, str]) -> str:
    """A rule file with other names, by plain name; others stay."""
    return _NAME_LINE.sub(
        lambda one: one["before"] + names.get(plain(one["name"]), one["name"]), text
    )


def tripping_groups(policy: Policy) -> frozenset[str]:
    """Plain names of the groups that hold what trips the kill switch by itself."""
    return frozenset(
        group.name
        for groups in rule_files(policy).values()
        for group in groups
        if trips(group.rules)
    )


@dataclass(frozen=True, slots=True)
class Moment:
    """When a group had best be evaluated.

    Attributes:
        ready: how long past each period the samples of each target are there.
        period_seconds: what both its interval and the scrapes' are whole multiples of.
    """

    ready: Sequence[float]
    period_seconds: float

    @property
    def spare_seconds(self) -> float:
        """What is left for a scrape that is later than those that were measured."""
        return max(_LEAST_SPARE_SECONDS, self.period_seconds * _SPARE_RATIO)

    def waited(self, offset_seconds: float) -> float:
        """How long what waits longest has waited by then."""
        return max((offset_seconds - one) % self.period_seconds for one in self.ready)

    @property
    def best_seconds(self) -> float:
        """Past each period: when the targets' samples have waited least, and nothing is missed."""
        # Just behind one of them it is, and each waits then at least for the spare time.
        offsets = [one + self.spare_seconds for one in self.ready]
        return min(offsets, key=self.waited) % self.period_seconds

    def meets(self, offset_seconds: float) -> bool:
        """Whether that is the best moment, or hardly later."""
        late = (offset_seconds - self.best_seconds) % self.period_seconds
        return late <= self.period_seconds * _WINDOW_RATIO

    def will_do(self, offset_seconds: float) -> bool:
        """Whether it is near enough to stay as it is: no two measurements are quite alike."""
        longest = self.waited(self.best_seconds) + self.period_seconds * _NEAR_RATIO
        shortest = min((offset_seconds - one) % self.period_seconds for one in self.ready)
        return shortest >= self.spare_seconds / 2 and self.waited(offset_seconds) <= longest


def chosen(group: Seen, layout: Layout, moment: Moment) -> str:
    """The first of its names under which a group is evaluated at a moment."""
    own = plain(group.name)
    for number in count():
        name = f"{own}.{number}" if number else own
        if moment.meets(offset_seconds(group, layout, name)):
            return name
    raise AssertionError


def offset_seconds(group: Seen, layout: Layout, name: str) -> float:
    """How long past each of its intervals a group would be evaluated under a name."""
    return offset_nanoseconds(layout, group.file, name, group.interval_seconds) / NANOSECONDS
