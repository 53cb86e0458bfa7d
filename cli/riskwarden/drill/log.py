"""The drill log: one JSON line a drill, and the same as Markdown for people, with a summary.

The lines are the log; the Markdown is written anew from all of them each time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from riskwarden.drill.record import Drill, Observation, Result, Step

JSON_FILE: Final = "drills.jsonl"
MARKDOWN_FILE: Final = "DRILLS.md"


class DrillLog:
    """A folder with both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self) -> tuple[Drill, ...]:
        """Every drill, oldest first. Raises OSError, and ValueError that names the line."""
        path = self.folder / JSON_FILE
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return ()
        drills = []
        for number, line in enumerate(lines, 1):
            try:
                drills.append(Drill.model_validate_json(line))
            except ValueError as error:
                raise ValueError(f"{path}:{number}: is no record of a drill: {error}") from error
        return tuple(drills)

    @property
    def runs(self) -> Path:
        """What stacks of drills recorded, by the id of the drill."""
        return self.folder.resolve() / "runs"

    def next_id(self) -> str:
        """The number of the next one, which also no drill has that was never written down."""
        known = {one.id for one in self.read()}
        number = len(known) + 1
        while (found := f"DRILL-{number:04d}") in known or (self.runs / found.lower()).exists():
            number += 1
        return found

    def add(self, drill: Drill) -> None:
        """Write one down. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / JSON_FILE).open("a", encoding="utf-8") as stream:
            stream.write(drill.model_dump_json() + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        staging = self.folder / f".{MARKDOWN_FILE}"
        staging.write_text("\n".join(markdown(self.read())) + "\n", encoding="utf-8")
        staging.replace(self.folder / MARKDOWN_FILE)


def markdown(drills: Sequence[Drill]) -> Iterator[str]:
    """The whole log."""
    passed = sum(one.result is Result.PASS for one in drills)
    todo = [(one.id, follow) for one in drills for follow in one.follow_ups]
    yield "# Drill log"
    yield ""
    yield f"- drills: {len(drills)}"
    yield f"- PASS: {passed}"
    yield f"- FAIL: {len(drills) - passed}"
    yield f"- open follow-ups: {len(todo)}"
    yield ""
    yield "| id | date (UTC) | scenario | environment | result | seconds |"
    yield "|---|---|---|---|---|---|"
    for one in drills:
        date = one.started_at.strftime("%Y-%m-%d %H:%M:%S")
        yield (
            f"| {one.id} | {date} | {one.title} | {one.environment} | {one.result} "
            f"| {one.seconds:.1f} |"
        )
    for one in drills:
        yield ""
        yield from _report(one)


def _report(drill: Drill) -> Iterator[str]:
    yield f"## {drill.id}: {drill.title}"
    yield ""
    yield f"- **Date (UTC)**: {drill.started_at.isoformat(timespec='seconds')}"
    yield f"- **Operator**: {drill.operator}"
    yield f"- **Environment**: {drill.environment}"
    yield f"- **Scenario**: `{drill.scenario}`"
    yield f"- **Policy**: {drill.policy_digest[:12]}"
    yield f"- **Result**: **{drill.result}**{f' ({drill.trouble})' if drill.trouble else ''}"
    yield from _list("Preconditions", (f"- {one}" for one in drill.preconditions))
    steps = (
        f"{number}. {_clock(one)} {one.what}" + (f"\n   `{one.command}`" if one.command else "")
        for number, one in enumerate(drill.steps, 1)
    )
    yield from _list("Steps", steps)
    yield from _list("Observations", (f"- {_clock(one)} {one.what}" for one in drill.observations))
    criteria = (
        f"- {'PASS' if one.met else 'FAIL'}: {one.what}. {one.evidence}" for one in drill.criteria
    )
    yield from _list("Success criteria", criteria)
    follow_ups = (f"- [ ] {one.what} (owner: {one.owner})" for one in drill.follow_ups)
    yield from _list("Follow-ups", follow_ups)


def _list(title: str, lines: Iterator[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield ""
        yield f"### {title}"
        yield ""
        yield from found


def _clock(part: Step | Observation) -> str:
    return f"{part.at:%H:%M:%S.%f}"[:-3]
