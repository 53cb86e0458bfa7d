"""PromQL, built from parts that cannot be misspelt or break out of their quotes.

Every function takes and returns text. Metrics and labels come from the catalogue; a label
that a metric does not have is refused here and not by a rule that silently never fires.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Final

from risk_policy.catalogue.metrics import Metric
from risk_policy.contracts import artefact
from risk_rules.errors import ExpressionError

_METRIC_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_WORD: Final = re.compile(r"[a-zA-Z0-9_]+")
_PLAIN: Final = re.compile(r"[ !#-\[\]-~]*")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def quoted(text: str) -> str:
    """A string literal."""
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    return '"' + "".join(_escaped(character) for character in text) + '"'


def number(value: float) -> str:
    """A number literal that reads back as exactly this float."""
    if not math.isfinite(value):
        raise ExpressionError(f"{value!r} is no threshold; a finite number is needed")
    whole = abs(value) < 1e15 and value == int(value)
    return str(int(value)) if whole else repr(value)


def duration(seconds: float) -> str:
    """A duration that is not zero, for ranges and offsets."""
    text = artefact.duration(seconds)
    if text == "0s":
        raise ExpressionError("a range of 0 seconds holds no sample; use at least 1 ms")
    return text


def label(name: str) -> str:
    """A label name, checked."""
    if not _LABEL_NAME.fullmatch(name):
        raise ExpressionError(f"{name!r} is no label name; letters, digits and _ are")
    return name


def series(metric: Metric, **matchers: str) -> str:
    """The series of a metric, with labels equal to what is given."""
    if not _METRIC_NAME.fullmatch(metric.name):
        raise ExpressionError(f"{metric.name!r} is no metric name")
    _check_labels(metric, matchers)
    inside = ",".join(f"{label(name)}={quoted(value)}" for name, value in matchers.items())
    return f"{metric.name}{{{inside}}}" if inside else metric.name


def series_below(metric: Metric, name: str, first: str) -> str:
    """The series of a metric of which a label is a path that begins with this word."""
    _check_labels(metric, (name,))
    return f'{series(metric)}{{{label(name)}=~{one_of((first,))[:-1]}/.+"}}'


def one_of(values: Iterable[str]) -> str:
    """The literal of a regular expression that matches these words and nothing else."""
    words = tuple(values)
    for word in words:
        if not _WORD.fullmatch(word):
            raise ExpressionError(f"{word!r} cannot stand in a regular expression as it is")
    return quoted("|".join(words))


def latest(metric: Metric, window_seconds: float) -> str:
    """The latest sample of each series, held through a gap as long as the window."""
    return f"last_over_time({series(metric)}[{duration(window_seconds)}])"


def aggregate(function: str, metric: Metric, labels: Iterable[str], expression: str) -> str:
    """One value per combination of some of a metric's labels; all other labels are gone."""
    kept = [label(name) for name in labels]
    _check_labels(metric, kept)
    return f"{function} by ({', '.join(kept)}) ({expression})"


def with_constant_label(expression: str, name: str, value: str) -> str:
    """The same series, each with one more label."""
    return f'label_replace({expression}, {quoted(label(name))}, {quoted(value)}, "", "")'


def with_default_label(expression: str, name: str, value: str) -> str:
    """The same series, each with a label where it had none."""
    to = quoted(label(name))
    return f'label_replace({expression}, {to}, {quoted(value)}, {to}, "")'


def with_joined_label(expression: str, name: str, separator: str, sources: Iterable[str]) -> str:
    """The same series, each with a label joined from others of its labels."""
    listed = ", ".join(quoted(label(source)) for source in sources)
    return f"label_join({expression}, {quoted(label(name))}, {quoted(separator)}, {listed})"


def with_copied_label(expression: str, name: str, source: str) -> str:
    """The same series, each with a label that repeats another."""
    to, of = quoted(label(name)), quoted(label(source))
    return f'label_replace({expression}, {to}, "$1", {of}, "(.*)")'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _check_labels(metric: Metric, names: Iterable[str]) -> None:
    for name in names:
        if name not in metric.labels:
            known = ", ".join(metric.labels) or "none"
            raise ExpressionError(f"{metric.name} has no label {name!r}; it has: {known}")
