"""What was held back, in words. Pure.

Every breach is named. What does not fit into one message goes into the next, the worst first, so
that no channel has to leave anything out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from risk_policy.vocabulary import Severity
from risk_receivers.quiet.decision import Reason

#: What a part may name: with what stands around it, it stays below what a template is given.
_LONGEST: Final = 3_000
_LONGEST_NAME: Final = 200
_STATES: Final = {
    "RESOLVED": "over",
    "EXPIRED": "no longer repeated, and nobody said that it is over",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that was held back.

    Attributes:
        severity: the worst that was ever to be said of its incident.
        state: where its incident stands by now.
    """

    number: int
    risk_id: str
    tier: str
    episode: int
    alertname: str
    severity: Severity
    reason: Reason
    at: datetime
    state: str

    @property
    def key(self) -> tuple[str, str, int]:
        """Its incident."""
        return self.risk_id, self.tier, self.episode

    @property
    def incident(self) -> str:
        """Its incident's id."""
        return f"{self.risk_id}:{self.tier or 'none'}:{self.episode}"

    @property
    def is_over(self) -> bool:
        """Whether its incident is over."""
        return self.state == "RESOLVED"


@dataclass(frozen=True, slots=True)
class Digest:
    """What people are told of messages that were held back.

    Attributes:
        summary: one sentence.
        parts: the names, in as many pieces as it takes; at least one, perhaps empty.
    """

    summary: str
    severity: Severity
    parts: tuple[str, ...]


def digest_of(told: Sequence[Waiting], now: datetime) -> Digest:
    """The digest of some messages, of which there is at least one."""
    incidents = {one.key: one for one in told}
    seconds = max((now - min(one.at for one in told)).total_seconds(), 1)
    counts = [
        f"{count} {severity.value}"
        for severity in sorted(Severity, key=lambda one: -one.rank)
        if (count := sum(one.severity is severity for one in incidents.values()))
    ]
    which = "incident" if len(incidents) == 1 else "incidents"
    return Digest(
        summary=f"{len(told)} more of {len(incidents)} {which} in the last {seconds:.0f} s: "
        f"{', '.join(counts)}",
        severity=max((one.severity for one in told), key=lambda one: one.rank),
        parts=tuple(_parts(told)),
    )


def _parts(told: Sequence[Waiting]) -> Iterator[str]:
    lines: list[str] = []
    room = _LONGEST
    for heading, names in _named(told):
        line = heading
        for name in names:
            if len(line) + len(name) + 2 > room:
                yield "\n".join([*lines, line] if line != heading else lines)
                lines, line, room = [], heading, _LONGEST
            line += f"{' ' if line == heading else ', '}{name}"
        lines.append(line)
        room -= len(line) + 1
    yield "\n".join(lines)


def _named(told: Sequence[Waiting]) -> Iterator[tuple[str, Iterable[str]]]:
    """What stands alike, the worst first, and everything of which that is true."""
    breaches: dict[tuple[str, str], list[Waiting]] = {}
    for one in told:
        breaches.setdefault((one.risk_id, one.tier), []).append(one)
    groups: dict[tuple[int, str, str], list[str]] = {}
    for messages in breaches.values():
        latest = max(messages, key=lambda one: one.episode)
        worst = max(one.severity.rank for one in messages)
        state = _STATES.get(latest.state, "fires")
        often = f" ({len(messages)} messages)" if len(messages) > 1 else ""
        name = " ".join(latest.risk_id.split())
        if len(name) > _LONGEST_NAME:
            name = name[: _LONGEST_NAME - 1] + "…"
        groups.setdefault((-worst, latest.alertname, state), []).append(f"{name}{often}")
    severities = {severity.rank: severity.value.upper() for severity in Severity}
    for (rank, alertname, state), names in sorted(groups.items()):
        title = " ".join(alertname.split())[:_LONGEST_NAME]
        yield f"- {severities[-rank]} {title}, {state}:", names
