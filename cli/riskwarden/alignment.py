"""Measures in a running Prometheus how far what trips the kill switch lies behind the scrape.

Only what Prometheus says of itself counts: when its scrapes were, and when it evaluated its groups.
Names are written to rule files, never loaded: when Prometheus reads them is for whoever runs it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Final, TypeVar

import httpx
import msgspec

from risk_policy import Policy
from risk_policy.catalogue.metrics.foreign import SCRAPE_DURATION, UP
from risk_policy.contracts.jobs import EXPORTER_JOB
from risk_rules import phase
from risk_rules.errors import PhaseError

T = TypeVar("T")
_PATIENCE_SECONDS: Final = 10.0
#: As far back as is looked, in scrapes.
_SCRAPES: Final = 40
#: Go writes nanoseconds, of which Python reads six digits.
_FRACTION: Final = re.compile(r"(\.\d{1,6})\d*")


class _Rule(msgspec.Struct):
    name: str
    state: str = ""


class _Group(msgspec.Struct):
    name: str
    file: str
    interval: float
    rules: list[_Rule]
    lastEvaluation: str = ""  # noqa: N815  (so it is called there)


class _Groups(msgspec.Struct):
    groups: list[_Group]


class _Series(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]]


class _Matrix(msgspec.Struct):
    result: list[_Series]


class _Said(msgspec.Struct):
    data: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Ready:
    """From when on what one target shows can be evaluated."""

    target: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Placed:
    """A group that trips the kill switch, and when it is evaluated.

    Attributes:
        file: name of its file, without the folder.
        loaded: the whole of it as Prometheus sees it, which may be on another machine.
        name: under which Prometheus has it.
        better: under which it had best be; the same if it will do.
        firing: alerts of it that fire now, which another name would begin anew.
    """

    file: str
    loaded: str
    name: str
    better: str
    period_seconds: float
    waits_seconds: float
    would_wait_seconds: float
    firing: tuple[str, ...]

    @property
    def is_aligned(self) -> bool:
        """Whether it is evaluated soon enough behind the scrape."""
        return self.name == self.better


@dataclass(frozen=True, slots=True)
class Alignment:
    """What was measured."""

    ready: tuple[Ready, ...]
    groups: tuple[Placed, ...]

    @property
    def longest_wait_seconds(self) -> float:
        """Of all groups."""
        return max(group.waits_seconds for group in self.groups)


def measure(policy: Policy, url: str) -> Alignment:
    """How it is in a running Prometheus. Raises PhaseError."""
    with httpx.Client(base_url=url, timeout=_PATIENCE_SECONDS, trust_env=False) as client:
        groups = _asked(client, "/api/v1/rules", {}, _Groups).groups
        scrapes = _scrapes(client, policy.alerting.prometheus.scrape_interval_seconds)
    seen = {(one.file, one.name): _seen(one) for one in groups}
    layout = phase.layout_of(seen.values())
    if layout is None:
        raise PhaseError(
            "this Prometheus evaluates its groups at other moments than their names say: it has "
            "just been started, or is of a version that is not known; nothing can be chosen"
        )
    wanted = phase.tripping_groups(policy)
    ours = [one for one in groups if phase.plain(one.name) in wanted]
    if missing := sorted(wanted - {phase.plain(one.name) for one in ours}):
        raise PhaseError(f"Prometheus does not evaluate {', '.join(missing)}: have it load them")
    scrape_seconds = policy.alerting.prometheus.scrape_interval_seconds
    placed = tuple(_placed(one, seen[one.file, one.name], layout, scrapes, scrape_seconds)
                   for one in ours)  # fmt: skip
    return Alignment(
        tuple(Ready(one.target, phase.settled(one, scrape_seconds)) for one in scrapes), placed
    )


def _placed(
    group: _Group,
    seen: phase.Seen,
    layout: phase.Layout,
    scrapes: Sequence[phase.Scrapes],
    scrape_seconds: float,
) -> Placed:
    period = math.gcd(round(scrape_seconds * 1000), round(seen.interval_seconds * 1000)) / 1000
    moment = phase.Moment([phase.settled(one, period) for one in scrapes], period)
    offset = phase.offset_seconds(seen, layout, seen.name)
    better = seen.name if moment.will_do(offset) else phase.chosen(seen, layout, moment)
    return Placed(
        file=PurePosixPath(group.file).name,
        loaded=group.file,
        name=group.name,
        better=better,
        period_seconds=period,
        waits_seconds=moment.waited(offset),
        would_wait_seconds=moment.waited(phase.offset_seconds(seen, layout, better)),
        firing=tuple(sorted({one.name for one in group.rules if one.state == "firing"})),
    )


def loaded_elsewhere(groups: Iterable[Placed], folder: Path) -> Path | None:
    """A file on this machine that Prometheus loads instead of the one in the folder."""
    for group in groups:
        loaded, meant = Path(group.loaded), folder / group.file
        if not (loaded.is_absolute() and loaded.is_file()):
            continue  # it sees others than we do, as in a container
        if meant.is_file() and not loaded.samefile(meant):
            return loaded
    return None


def write(groups: Iterable[Placed], folder: Path) -> list[Path]:
    """Put the better names into the rule files that Prometheus loads. Raises OSError."""
    names: dict[str, dict[str, str]] = {}
    for group in groups:
        names.setdefault(group.file, {})[phase.plain(group.name)] = group.better
    texts = {folder / file: _renamed(folder / file, chosen) for file, chosen in names.items()}
    for path, text in texts.items():
        staging = path.with_name(f".{path.name}.new")
        staging.write_text(text, encoding="utf-8")
        staging.replace(path)
    return sorted(texts)


def _renamed(path: Path, names: Mapping[str, str]) -> str:
    return phase.renamed(path.read_text(encoding="utf-8"), names)


def _seen(group: _Group) -> phase.Seen:
    at: float | None = None
    if group.lastEvaluation and not group.lastEvaluation.startswith("0001-"):
        text = _FRACTION.sub(r"\1", group.lastEvaluation)
        at = datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    return phase.Seen(group.file, group.name, group.interval, at)


def _scrapes(client: httpx.Client, interval_seconds: float) -> list[phase.Scrapes]:
    window = f'{{job="{EXPORTER_JOB}"}}[{round(_SCRAPES * interval_seconds * 1000)}ms]'
    worked = _samples(client, f"{UP.name}{window}")
    took = _samples(client, f"{SCRAPE_DURATION.name}{window}")
    found = []
    for target, samples in sorted(worked.items()):
        durations = took.get(target, {})
        began = [at for at, up in sorted(samples.items()) if up == 1 and at in durations]
        found.append(phase.Scrapes(target, began, [durations[at] for at in began]))
    if not found:
        raise PhaseError(f"Prometheus scrapes no {EXPORTER_JOB}")
    return found


def _samples(client: httpx.Client, query: str) -> dict[str, dict[float, float]]:
    found = _asked(client, "/api/v1/query", {"query": query}, _Matrix).result
    return {
        one.metric.get("instance", ""): {at: float(value) for at, value in one.values}
        for one in found
    }


def _asked(client: httpx.Client, path: str, asked: Mapping[str, str], kind: type[T]) -> T:
    try:
        answer = client.get(path, params=dict(asked)).raise_for_status()
        said = msgspec.json.decode(answer.content, type=_Said)
        return msgspec.json.decode(said.data, type=kind)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = str(error) or type(error).__name__
        raise PhaseError(f"{client.base_url} does not answer: {why}") from error
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise PhaseError(f"{client.base_url} answers not as Prometheus does") from error
