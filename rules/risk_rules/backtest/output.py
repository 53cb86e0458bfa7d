"""What promtool prints when it is asked, at every evaluation, which alerts began and ended.

The question is an expectation that nothing changed, so every change makes it fail, and the
failure names the alert and the time. Anything else that promtool says is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from risk_policy.contracts.artefact import duration
from risk_rules.backtest.errors import EngineOutputError

_FIRING: Final = 'ALERTS{alertstate="firing"}'
_TIME: Final = re.compile(r" time: ((?:\d+(?:y|w|d|h|ms|m|s))+),$")
_TIME_PART: Final = re.compile(r"(\d+)(y|w|d|h|ms|m|s)")
_SECONDS: Final = {
    "y": 31_536_000.0, "w": 604_800.0, "d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0,
    "ms": 0.001,
}  # fmt: skip
_LABEL: Final = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\.)*"'
_SAMPLE: Final = re.compile(rf"\{{((?:{_LABEL}(?:, )?)*)\}} (\S+?)(?:, (?=\{{)|$)")
_PAIR: Final = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPE: Final = re.compile(r"\\(.)")
_SILENT: Final = ("Unit Testing:", "FAILED:", "SUCCESS", "exp: nil", "exp: []")


@dataclass(frozen=True, slots=True)
class Firing:
    """One alert from its first evaluation to the one at which it was gone; None: it never was."""

    labels: Mapping[str, str]
    began: int
    ended: int | None


def question(evaluation_seconds: float) -> str:
    """What began (1) and what ended (0) since the evaluation before."""
    before = f"{_FIRING} offset {duration(evaluation_seconds)}"
    return f"({_FIRING} unless {before}) or (({before} unless {_FIRING}) * 0)"


def firings(text: str, evaluation_seconds: float) -> list[Firing]:
    """Read what promtool printed. Raises EngineOutputError."""
    began: dict[tuple[tuple[str, str], ...], int] = {}
    found: list[Firing] = []
    for at, labels, starts in _changes(text, evaluation_seconds):
        key = tuple(sorted(labels.items()))
        if starts:
            began[key] = at
        elif key in began:
            found.append(Firing(labels, began.pop(key), at))
        else:
            raise EngineOutputError(f"promtool let {labels} end that never began")
    found += [Firing(dict(key), at, None) for key, at in began.items()]
    return found


def merged(found: Iterable[Firing]) -> list[Firing]:
    """Firings of the same alert that touch or overlap are one, in order of their beginning."""
    by_alert: dict[tuple[tuple[str, str], ...], list[Firing]] = {}
    for firing in sorted(found, key=lambda firing: firing.began):
        known = by_alert.setdefault(tuple(sorted(firing.labels.items())), [])
        latest = known[-1] if known else None
        if latest is None or (latest.ended is not None and latest.ended < firing.began):
            known.append(firing)
        else:
            ends = (latest.ended, firing.ended)
            ended = None if None in ends else max(end for end in ends if end is not None)
            known[-1] = Firing(latest.labels, latest.began, ended)
    return sorted(
        (firing for known in by_alert.values() for firing in known),
        key=lambda firing: (firing.began, sorted(firing.labels.items())),
    )


def _changes(text: str, evaluation_seconds: float) -> Iterator[tuple[int, dict[str, str], bool]]:
    at: int | None = None
    for raw in text.splitlines():
        line = raw.strip()
        # Some versions print the file's verdict on the line of its name.
        if not line or line.startswith(_SILENT):
            continue
        if line.startswith("expr: ") and (time := _TIME.search(line)):
            at = round(_seconds(time[1]) / evaluation_seconds)
        elif line.startswith("got: ") and at is not None:
            yield from _samples(line.removeprefix("got: "), at)
            at = None
        else:
            raise EngineOutputError(f"promtool cannot replay this history: {line}")


def _samples(text: str, at: int) -> Iterator[tuple[int, dict[str, str], bool]]:
    end = 0
    for sample in _SAMPLE.finditer(text):
        if sample.start() != end:
            break
        end = sample.end()
        labels = {name: _ESCAPE.sub(r"\1", value) for name, value in _PAIR.findall(sample[1])}
        for added in ("__name__", "alertstate"):
            labels.pop(added, None)
        yield at, labels, float(sample[2]) == 1
    if end != len(text):
        raise EngineOutputError(f"promtool printed samples that cannot be read: {text[end:]}")


def _seconds(text: str) -> float:
    return sum(int(amount) * _SECONDS[unit] for amount, unit in _TIME_PART.findall(text))
