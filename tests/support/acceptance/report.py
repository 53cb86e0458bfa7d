"""All that was looked at, as a document. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from acceptance.looked import Looked, Measured, Part, Verdict, together
from risk_receivers.document.model import (
    Block,
    Cell,
    Document,
    Figure,
    Figures,
    Finding,
    Findings,
    Mark,
    Paragraph,
    Section,
    Table,
    Tone,
)
from risk_receivers.document.words import moment

ABOUT: Final = (
    "What the roadmap asks for before Riskwarden may be trusted, and what was seen when it was "
    "looked at: its five scenarios, on a stack of real processes (Prometheus, Alertmanager, "
    "exporter, receivers, a mail server, stand-ins of Slack and Telegram, a browser); its security "
    "checklist and every item of docs/hardening.md, each with the tests that show it; its table of "
    "performance targets; and the acceptance criteria of its phases. This page is written by "
    "./dev acceptance, which exits with 1 if a line is not green; times are those of that machine "
    "and of whatever else it did."
)
VERDICTS: Final = {
    Verdict.GREEN: "Everything that was looked at is green.",
    Verdict.RED: "Not everything is green; what is not comes first.",
}
_TONES: Final = {
    Verdict.GREEN: Tone.GOOD,
    Verdict.RED: Tone.CRITICAL,
    Verdict.LEFT_OUT: Tone.WARNING,
}


@dataclass(frozen=True, slots=True)
class Report:
    """One run.

    Attributes:
        trouble: of what was to be measured and was not: what, and why.
        left_out: what nobody wanted to be looked at.
        tests_from: when runs began to end whose results were kept; nothing if all ran anew.
    """

    began_at: datetime
    ended_at: datetime
    machine: str
    version: str
    digest: str
    scenarios: tuple[Part, ...]
    security: tuple[Part, ...]
    guide: Part
    criteria: tuple[Part, ...] = ()
    measured: tuple[Measured, ...] = ()
    soaked: tuple[Looked, ...] = ()
    trouble: tuple[tuple[str, str], ...] = ()
    left_out: tuple[str, ...] = ()
    tests_from: datetime | None = None

    @property
    def looked(self) -> tuple[Looked, ...]:
        """Every line that tests show."""
        parts = (*self.scenarios, *self.security, self.guide, *self.criteria)
        return (*(line for part in parts for line in part.lines), *self.soaked)

    @property
    def verdict(self) -> Verdict:
        """Of all of it."""
        if self.trouble:
            return Verdict.RED
        lines = [one.verdict for one in self.looked]
        return together([*lines, *(one.verdict for one in self.measured)])

    @property
    def headline(self) -> str:
        """The verdict in a sentence."""
        counts = ", ".join(f"{title} {green} of {all_}" for title, green, all_ in self.counts)
        if self.measured:
            counts += f" (targets met: {self.targets_met} of {len(self.measured)})"
        also = [*self.left_out, *(one.asked for one in self._of(Verdict.LEFT_OUT))]
        but = f"; left out: {', '.join(also)}" if also else ""
        return f"{'GREEN' if self.verdict is Verdict.GREEN else 'RED'}: {counts}{but}."

    @property
    def targets_met(self) -> int:
        """How many lines of the users' table are better than merely acceptable."""
        return sum(one.word == "target" for one in self.measured)

    @property
    def counts(self) -> Iterator[tuple[str, int, int]]:
        """Of each kind, how many lines are green, and how many there are."""
        of_each = {
            "scenarios": [line.verdict for part in self.scenarios for line in part.lines],
            "security checklist": [line.verdict for part in self.security for line in part.lines],
            "security guide": [line.verdict for line in self.guide.lines],
            "criteria of the phases": [
                line.verdict for part in self.criteria for line in part.lines
            ],
            "performance": [
                *(figure.verdict for figure in self.measured),
                *(line.verdict for line in self.soaked),
            ],
        }
        for title, verdicts in of_each.items():
            if verdicts:
                yield title, verdicts.count(Verdict.GREEN), len(verdicts)

    def missing(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """What is red: what it is, what was seen, where to look."""
        for one in self._of(Verdict.RED):
            yield one.asked, one.seen, one.see
        for figure in self.measured:
            if figure.verdict is Verdict.RED:
                bound = figure.bound(figure.acceptable)
                seen = f"{figure.measured:,g} {figure.unit}, acceptable is {bound}"
                yield figure.what, seen, ("benchmarks/users_targets.py",)
        for what, why in self.trouble:
            yield what, why, ()

    def _of(self, verdict: Verdict) -> list[Looked]:
        return [one for one in self.looked if one.verdict is verdict]


def _verdicts(parts: Iterable[Part]) -> list[Verdict]:
    return [line.verdict for part in parts for line in part.lines]


def document(report: Report) -> Document:
    """All of it, the verdict first."""
    tone = _TONES[report.verdict]
    return Document(
        title="Acceptance",
        about=moment(report.began_at),
        meta=(
            ("Result", report.headline),
            ("Begun", moment(report.began_at)),
            ("Ended", moment(report.ended_at)),
            *_kept(report),
            ("On", report.machine),
            ("Policy", f"sha256 {report.digest}"),
            ("Riskwarden", report.version),
        ),
        blocks=(
            Paragraph(VERDICTS[report.verdict], tone),
            Paragraph(ABOUT),
            Figures(
                tuple(
                    Figure(title, f"{green} of {all_}", "", _tone_of(green, all_))
                    for title, green, all_ in report.counts
                )
                + tuple(_targets(report))
            ),
            Section("What is not green", (_missing(report),)),
            *_sections(report),
        ),
    )


def _kept(report: Report) -> Iterator[tuple[str, str]]:
    if report.tests_from is not None:
        since = moment(report.tests_from)
        yield "Tests", f"kept of runs that ended from {since} on; what was not green ran again"


def _sections(report: Report) -> Iterator[Section]:
    """What was left out has none."""
    if report.scenarios:
        yield Section("Scenarios", tuple(map(_scenario, report.scenarios)))
    if report.security:
        yield Section("Security checklist", tuple(map(_checklist, report.security)))
    if report.guide.lines:
        yield _checklist(report.guide)
    if "performance" not in report.left_out:
        yield Section("Performance", tuple(_performance(report)))
    if report.criteria:
        yield Section("Acceptance criteria of the phases", tuple(map(_checklist, report.criteria)))


def _tone_of(green: int, all_: int) -> Tone:
    return Tone.GOOD if green == all_ else Tone.CRITICAL


def _targets(report: Report) -> Iterator[Figure]:
    if report.measured:
        met, all_ = report.targets_met, len(report.measured)
        tone = Tone.GOOD if met == all_ else Tone.WARNING
        yield Figure("performance targets met", f"{met} of {all_}", "", tone)


def _missing(report: Report) -> Block:
    found = [
        Finding(f"{what}: {seen}", f"see {', '.join(where)}" if where else "", Tone.CRITICAL)
        for what, seen, where in report.missing()
    ]
    found += [
        Finding(f"{one.asked}: {one.seen}", "left out", Tone.WARNING)
        for one in report.looked
        if one.verdict is Verdict.LEFT_OUT
    ]
    found += [
        Finding(
            f"{one.what}: {one.measured:,g} {one.unit} is acceptable and misses its target, "
            f"{one.bound(one.target)}",
            "see benchmarks/users_targets.py",
            Tone.WARNING,
        )
        for one in report.measured
        if one.word == "acceptable"
    ]
    return Findings(tuple(found), empty="Nothing: everything is green.")


def _scenario(part: Part) -> Section:
    rows = [(one.asked, one.how, one.seen, _verdict(one.verdict)) for one in part.lines]
    where = dict.fromkeys(test for one in part.lines for test in one.where)
    return Section(
        part.title,
        (
            Paragraph(part.about),
            Table.of("", ("Then", "How it is met", "What was seen", "Verdict"), rows),
            Paragraph(f"Shown by {', '.join(where)}."),
        ),
    )


def _checklist(part: Part) -> Section:
    rows: list[Sequence[Cell]] = [
        (one.asked, one.how, ", ".join(one.where), one.seen, _verdict(one.verdict))
        for one in part.lines
    ]
    columns = ("Line", "How it is met", "Shown by", "What was seen", "Verdict")
    return Section(part.title, (Table.of("", columns, rows),))


def _performance(report: Report) -> Iterator[Block]:
    targets = [
        (
            one.what,
            one.bound(one.target),
            one.bound(one.acceptable),
            f"{one.measured:,g} {one.unit}",
            Mark(one.word, Tone.WARNING if one.word == "acceptable" else _TONES[one.verdict]),
            one.how,
        )
        for one in report.measured
    ]
    columns = ("Metric", "Target", "Acceptable", "Measured", "Verdict", "How it was measured")
    yield Table.of("", columns, targets, numeric=(1, 2, 3), empty="Not measured in this run.")
    flat = [(one.asked, one.seen, _verdict(one.verdict)) for one in report.soaked]
    title = "Under a steady load of 100 alerts a minute"
    of_flat = ("What has to be so", "What was seen", "Verdict")
    yield Table.of(title, of_flat, flat, empty="Not measured in this run.")
    yield Paragraph(
        "docs/measured.md has what was measured beside this, by ./dev bench; docs/chaos.md what "
        "becomes of it all when parts fail."
    )


def _verdict(verdict: Verdict) -> Mark:
    return Mark(verdict.value, _TONES[verdict])
