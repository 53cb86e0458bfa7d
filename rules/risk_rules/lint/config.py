"""An Alertmanager configuration as values: routes, receivers, windows and inhibitions.

Whether it is one at all is for amtool to say; here, what cannot be read is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import yaml

from risk_rules.lint.alerts import Alert
from risk_rules.lint.matchers import Matcher, written

#: Stands in what is parsed beside the keys of the file: on which line a table begins.
_LINE: Final = "\n"


@dataclass(frozen=True, slots=True)
class Route:
    """One route, with what it inherits.

    Attributes:
        own: its matchers.
        matchers: its matchers and those of all routes above it.
        groups_itself: whether ``group_by`` is its own.
        muted_in, told_in: names of time intervals.
        goes_on: whether what it takes is offered to the routes after it as well.
    """

    line: int
    own: tuple[Matcher, ...]
    matchers: tuple[Matcher, ...]
    receiver: str
    group_by: tuple[str, ...]
    groups_itself: bool
    muted_in: tuple[str, ...]
    told_in: tuple[str, ...]
    goes_on: bool
    children: tuple[Route, ...]

    @property
    def windows(self) -> tuple[str, ...]:
        """Every time interval it names."""
        return self.muted_in + self.told_in

    def walk(self) -> Iterator[Route]:
        """It and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def visited_by(self, alert: Alert) -> Iterator[Route]:
        """It and every route below it that takes some of these alerts, wherever they end."""
        yield self
        for child in self.children:
            if alert.may_pass(child.matchers):
                yield from child.visited_by(alert)
                if alert.must_pass(child.own) and not child.goes_on:
                    return

    def reached_by(self, alert: Alert, *, certain: bool = True) -> Iterator[tuple[Route, bool]]:
        """Each route that alerts can end at, and whether all of them end there.

        Args:
            certain: whether all of them come here in the first place.
        """
        caught, free, perhaps = False, True, False
        for child in self.children:
            if not alert.may_pass(child.matchers):
                continue
            must = alert.must_pass(child.own)
            yield from child.reached_by(alert, certain=certain and free and must)
            if must and not child.goes_on:
                return
            caught, perhaps = caught or must, perhaps or not must
            free = free and child.goes_on
        if not caught:
            yield self, certain and not perhaps

    @property
    def text(self) -> str:
        """Its conditions, as they stand in the file."""
        return "{" + ", ".join(map(str, self.own)) + "}"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Somebody to tell.

    Attributes:
        integrations: ways in which it tells, none for a receiver that swallows everything.
        most_alerts: the least number at which a webhook's list is cut; 0 if none is.
    """

    line: int
    name: str
    integrations: int
    most_alerts: int


@dataclass(frozen=True, slots=True)
class Inhibition:
    """Alerts that keep other ones quiet."""

    line: int
    number: int
    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """What stands in one file.

    Attributes:
        windows: name of a time interval -> line.
    """

    file: str
    root: Route
    receivers: tuple[Receiver, ...]
    windows: Mapping[str, int]
    inhibitions: tuple[Inhibition, ...]

    @classmethod
    def read(cls, file: str, text: str) -> Config:
        """Raises yaml.YAMLError."""
        tree = _table(yaml.load(text, _Loader))  # noqa: S506 - a safe loader
        windows = [*_tables(tree.get("time_intervals")), *_tables(tree.get("mute_time_intervals"))]
        return cls(
            file,
            _route(_table(tree.get("route")), None),
            tuple(_receiver(each) for each in _tables(tree.get("receivers"))),
            {str(each.get("name", "")): _line(each) for each in windows},
            tuple(
                Inhibition(
                    _line(each),
                    number,
                    written(each, "source"),
                    written(each, "target"),
                    _words(each.get("equal")),
                )
                for number, each in enumerate(_tables(tree.get("inhibit_rules")), 1)
            ),
        )


class _Loader(yaml.SafeLoader):
    """Safe, and remembers on which line each table begins."""


def _with_line(loader: _Loader, node: yaml.MappingNode) -> dict[object, object]:
    return {**loader.construct_mapping(node, deep=True), _LINE: node.start_mark.line + 1}


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _with_line)


def _route(content: Mapping[str, Any], above: Route | None) -> Route:
    own = written(content)
    group_by = _words(content.get("group_by"))
    route = Route(
        line=_line(content),
        own=own,
        matchers=own if above is None else above.matchers + own,
        receiver=str(content.get("receiver") or ("" if above is None else above.receiver)),
        group_by=group_by or (() if above is None else above.group_by),
        groups_itself=bool(group_by) or above is None,
        # Unlike all else, these are not inherited.
        muted_in=_words(content.get("mute_time_intervals")),
        told_in=_words(content.get("active_time_intervals")),
        goes_on=content.get("continue") is True,
        children=(),
    )
    below = tuple(_route(each, route) for each in _tables(content.get("routes")))
    return replace(route, children=below)


def _receiver(content: Mapping[str, Any]) -> Receiver:
    channels = [each for key, value in content.items() if key.endswith("_configs")
                for each in _tables(value)]  # fmt: skip
    cuts = [each["max_alerts"] for each in channels if each.get("max_alerts")]
    return Receiver(
        _line(content), str(content.get("name", "")), len(channels), min(cuts, default=0)
    )


def _line(content: Mapping[str, Any]) -> int:
    return int(content.get(_LINE, 0))


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _tables(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _words(value: object) -> tuple[str, ...]:
    return tuple(str(each) for each in value) if isinstance(value, list) else ()
