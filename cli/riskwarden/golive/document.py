"""The report of a go-live check, for whoever signs it and for auditors afterwards. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from risk_policy.contracts.golive import GoLiveResult, Outcome
from risk_receivers.document.model import (
    Block,
    Document,
    Figure,
    Figures,
    Finding,
    Findings,
    Mark,
    Section,
    Table,
    Tone,
)
from risk_receivers.document.words import moment
from riskwarden.golive.finding import Line

TONES: Final = {
    Outcome.PASSED: Tone.GOOD,
    Outcome.FAILED: Tone.EMERGENCY,
    Outcome.NOT_KNOWN: Tone.CRITICAL,
    Outcome.SKIPPED: Tone.WARNING,
}
_RESULT_TONES: Final = {
    GoLiveResult.READY: Tone.GOOD,
    GoLiveResult.READY_BUT_FOR_SKIPPED: Tone.WARNING,
    GoLiveResult.NOT_READY: Tone.EMERGENCY,
}


@dataclass(frozen=True, slots=True)
class About:
    """What was checked, by whom and when.

    Attributes:
        environment: paper, testnet or live, as the stack was started.
    """

    began_at: datetime
    ended_at: datetime
    author: str
    host: str
    environment: str
    data: str
    policy: str
    digest: str
    version: str


def result_of(lines: Sequence[Line]) -> GoLiveResult:
    """What they amount to."""
    return GoLiveResult.of(one.outcome for one in lines)


def document(about: About, lines: Sequence[Line]) -> Document:
    """All of it: the result, what is left to do, and every line with what was seen."""
    result = result_of(lines)
    counts = [
        Figure(outcome.value, str(sum(one.outcome is outcome for one in lines)), "", TONES[outcome])
        for outcome in Outcome
    ]
    groups = dict.fromkeys(one.group for one in lines)
    return Document(
        title="Go-live check",
        about=f"{about.environment}, {moment(about.began_at)}",
        meta=(
            ("Result", result.value),
            ("Begun", moment(about.began_at)),
            ("Ended", moment(about.ended_at)),
            ("By", about.author),
            ("On", about.host),
            ("Stack", f"{about.environment}, {about.data}"),
            ("Policy", f"{about.policy}, sha256 {about.digest}"),
            ("Riskwarden", about.version),
        ),
        blocks=(
            Figures((Figure("result", result.value, "", _RESULT_TONES[result]), *counts)),
            Section("What is left to do", (_left(lines),)),
            *(_section(name, [one for one in lines if one.group == name]) for name in groups),
        ),
    )


def _left(lines: Sequence[Line]) -> Block:
    found = tuple(
        Finding(f"{one.name}: {one.finding.to_do}", one.finding.seen, TONES[one.outcome])
        for one in lines
        if one.outcome is not Outcome.PASSED
    )
    return Findings(found, empty="Nothing: every line passed.")


def _section(name: str, lines: Sequence[Line]) -> Section:
    columns = ("Line", "What has to be so", "Outcome", "What was seen")
    return Section(name, (Table.of("", columns, _rows(lines)),))


def _rows(lines: Sequence[Line]) -> Iterator[tuple[str | Mark, ...]]:
    for one in lines:
        outcome = Mark(one.outcome.value, TONES[one.outcome])
        yield Mark(one.name, code=True), one.title, outcome, one.finding.seen
