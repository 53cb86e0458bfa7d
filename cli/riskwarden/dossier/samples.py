"""What Prometheus scraped and recorded: from a server that runs, or from what one has left behind.

Both give raw samples with their own times, never interpolated ones, so both tell the same. The
files of a server that has ended are read with ``promtool tsdb dump``, which opens them for reading
only.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import httpx

#: Prometheus itself takes no older sample for a present one.
LOOKBACK: Final = timedelta(minutes=5)
#: More points than a chart shows of one incident; beyond it Prometheus thins them out.
_MOST_POINTS: Final = 10_800
_PATIENCE_SECONDS: Final = 15.0
_DUMP_SECONDS: Final = 120.0
#: A sample of a dump: labels, value, milliseconds.
_LINE: Final = re.compile(r"\{(?P<labels>.*)\} (?P<value>\S+) (?P<at>-?\d+)")
_LABEL: Final = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


class SamplesError(Exception):
    """There are no samples to be had, and why."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A value and when it was scraped or recorded."""

    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Line:
    """One series within a time."""

    labels: Mapping[str, str]
    samples: tuple[Sample, ...]

    def at(self, moment: datetime) -> Sample | None:
        """The last sample up to a time, if Prometheus would still take it for a present one."""
        number = bisect_right(self.samples, moment, key=lambda sample: sample.at)
        if number == 0 or moment - self.samples[number - 1].at > LOOKBACK:
            return None
        return self.samples[number - 1]


class Samples(Protocol):
    """Where samples come from."""

    @property
    def source(self) -> str:
        """Where that is, as people read it."""

    def lines(
        self, metric: str, labels: Mapping[str, str], first: datetime, last: datetime
    ) -> list[Line]:
        """Series of a metric with these labels. Raises SamplesError."""


class LiveSamples:
    """Those of a Prometheus that answers."""

    def __init__(self, url: str) -> None:
        self._url = url

    @property
    def source(self) -> str:
        """Its address."""
        return f"Prometheus at {self._url}"

    def lines(
        self, metric: str, labels: Mapping[str, str], first: datetime, last: datetime
    ) -> list[Line]:
        """As Prometheus has them. Raises SamplesError."""
        # Of 3.x a range is open at its left end; a second more makes no difference in 2.x.
        seconds = math.ceil((last - first).total_seconds()) + 1
        step = math.ceil(seconds / _MOST_POINTS)
        window = f"[{seconds}s]" if step == 1 else f"[{seconds}s:{step}s]"
        query = f"{selector(metric, labels)}{window}"
        try:
            answer = httpx.get(
                f"{self._url}/api/v1/query",
                params={"query": query, "time": f"{last.timestamp():.3f}"},
                timeout=_PATIENCE_SECONDS,
                trust_env=False,
            )
            content = answer.json()
            if answer.status_code != httpx.codes.OK:
                raise SamplesError(f"{self.source}: {content.get('error', answer.reason_phrase)}")
            return [
                Line(
                    series["metric"],
                    tuple(_sample(float(at), str(value)) for at, value in series["values"]),
                )
                for series in content["data"]["result"]
            ]
        except httpx.HTTPError as error:
            raise SamplesError(f"{self.source} does not answer: {error}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SamplesError(f"{self.source} does not answer as Prometheus does") from error


class LeftSamples:
    """Those that a Prometheus has left in its folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def source(self) -> str:
        """Its folder."""
        return f"Prometheus's files in {self._folder}"

    def lines(
        self, metric: str, labels: Mapping[str, str], first: datetime, last: datetime
    ) -> list[Line]:
        """As they lie there. Raises SamplesError."""
        promtool = shutil.which("promtool")
        if promtool is None:
            raise SamplesError(
                "promtool, which reads what Prometheus has left, is not found; install with: "
                "apt-get install --no-install-recommends prometheus"
            )
        if not self._folder.is_dir():
            raise SamplesError(f"{self._folder}: Prometheus has left nothing here")
        command = (
            promtool, "tsdb", "dump", f"--min-time={_millis(first)}", f"--max-time={_millis(last)}",
            f"--match={selector(metric, labels)}", str(self._folder),
        )  # fmt: skip
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=_DUMP_SECONDS, check=False, env=_plain()
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SamplesError(f"{self.source} cannot be read: {error}") from error
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise SamplesError(f"{self.source} cannot be read: {said[-1] if said else 'no reason'}")
        return list(_dumped(done.stdout.decode(errors="replace")))


def first_of(
    sources: Sequence[Samples], ask: Callable[[Samples], list[Line]]
) -> tuple[Samples, list[Line]]:
    """What the first source knows that knows anything. Raises SamplesError with all reasons."""
    reasons = []
    for source in sources:
        try:
            lines = ask(source)
        except SamplesError as error:
            reasons.append(str(error))
            continue
        if lines:
            return source, lines
        reasons.append(f"{source.source} has no samples of that time (any more)")
    raise SamplesError("; ".join(reasons) or "there is no Prometheus to ask")


def selector(metric: str, labels: Mapping[str, str]) -> str:
    """PromQL for a metric with labels. A string of JSON is one of PromQL's."""
    wanted = (f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items())
    return f"{metric}{{{','.join(wanted)}}}"


def _dumped(text: str) -> Iterator[Line]:
    found: dict[str, list[Sample]] = {}
    for line in text.splitlines():
        if (match := _LINE.fullmatch(line)) is not None:
            sample = _sample(int(match["at"]) / 1000, match["value"])
            found.setdefault(match["labels"], []).append(sample)
    for labels, samples in found.items():
        named = {name: _unquoted(value) for name, value in _LABEL.findall(labels)}
        yield Line(named, tuple(sorted(samples, key=lambda sample: sample.at)))


def _unquoted(value: str) -> str:
    try:
        return str(json.loads(f'"{value}"'))
    except ValueError:
        return value


def _sample(seconds: float, value: str) -> Sample:
    return Sample(datetime.fromtimestamp(seconds, UTC), float(value))


def _millis(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _plain() -> dict[str, str]:
    """Nothing that promtool does not need: no token of ours."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
