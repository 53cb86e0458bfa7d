"""What was seen, and what that makes of a line. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from acceptance.declared import Line, Scenario, Then

_LONGEST = 400


class Verdict(StrEnum):
    """Of a line, and of all of them."""

    GREEN = "green"
    RED = "RED"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a test, with all its parameters together.

    Attributes:
        cases: how many passed.
        trouble: the first that did not: which, and why.
        skipped: why some were, if that is all that happened.
        saw: by the key of a scenario's line, whether it holds and what was seen.
        again: whether it failed beside others first, and this is what it did by itself.
    """

    cases: int = 0
    seconds: float = 0.0
    trouble: str = ""
    skipped: str = ""
    saw: tuple[tuple[str, bool, str], ...] = ()
    again: bool = False

    @property
    def verdict(self) -> Verdict:
        """One that never ran shows nothing."""
        if self.trouble:
            return Verdict.RED
        if self.cases:
            return Verdict.GREEN
        return Verdict.LEFT_OUT if self.skipped else Verdict.RED


@dataclass(frozen=True, slots=True)
class Looked:
    """A line, and what was seen of it.

    Attributes:
        where: all that shows it.
        failed: what of it does not; all of it, unless it is known.
    """

    asked: str
    how: str
    verdict: Verdict
    seen: str
    where: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def see(self) -> tuple[str, ...]:
        """Where to look if it is not green."""
        return self.failed or self.where


@dataclass(frozen=True, slots=True)
class Part:
    """Lines that belong together; ``about`` says what they are."""

    title: str
    about: str
    lines: tuple[Looked, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """A line of the users' table of targets."""

    what: str
    measured: float
    unit: str
    target: float
    acceptable: float
    how: str

    @property
    def more_is_better(self) -> bool:
        """Which of the two bounds is the stricter one tells."""
        return self.target > self.acceptable

    @property
    def word(self) -> str:
        """How it compares."""
        if self._beyond(self.target):
            return "target"
        return "acceptable" if self._beyond(self.acceptable) else "MISSED"

    @property
    def verdict(self) -> Verdict:
        """Green is what the users called acceptable, or better; ``word`` says which."""
        return Verdict.RED if self.word == "MISSED" else Verdict.GREEN

    def bound(self, value: float) -> str:
        """A bound in words."""
        return f"{'>' if self.more_is_better else '<'} {value:,g} {self.unit}".rstrip()

    def _beyond(self, bound: float) -> bool:
        return self.measured > bound if self.more_is_better else self.measured < bound


def at_line(line: Line, ran: Mapping[str, Ran]) -> Looked:
    """What its tests make of a line: all of them have to have passed."""
    of_it = {test: ran.get(test, Ran()) for test in line.tests}
    for test, one in of_it.items():
        if one.verdict is Verdict.RED:
            why = _short(one.trouble) or "it was not run"
            seen = f"{_name(test)}: {why}"
            return Looked(line.asked, line.how, Verdict.RED, seen, line.tests, (test,))
    cases = sum(one.cases for one in of_it.values())
    seconds = sum(one.seconds for one in of_it.values())
    skipped = [f"{_name(test)}: {one.skipped}" for test, one in of_it.items() if not one.cases]
    if skipped:
        return Looked(line.asked, line.how, Verdict.LEFT_OUT, "; ".join(skipped), line.tests)
    seen = f"{cases} {'test' if cases == 1 else 'tests'} passed, {seconds:.1f} s"
    if any(one.again for one in of_it.values()):
        seen += "; one failed beside others and passed by itself"
    return Looked(line.asked, line.how, Verdict.GREEN, seen, line.tests)


def at_scenario(scenario: Scenario, ran: Mapping[str, Ran]) -> Part:
    """Each line of its end, and the test as a whole."""
    of_it = [ran.get(test, Ran()) for test in scenario.tests]
    saw = {key: (held, seen) for one in of_it for key, held, seen in one.saw}
    lines = [_at_then(then, saw, scenario, of_it) for then in scenario.thens]
    wrong = next((one for one in of_it if one.verdict is not Verdict.GREEN), None)
    if wrong is not None and all(one.verdict is Verdict.GREEN for one in lines):
        seen = _short(wrong.trouble) or wrong.skipped or "it was not run"
        rest = "what else its test looks at"
        lines.append(Looked(rest, "", wrong.verdict, seen, scenario.tests))
    about = f"Given {scenario.given}. When {scenario.when}. Then:"
    return Part(f"{scenario.number}. {scenario.title}", about, tuple(lines))


def _at_then(
    then: Then, saw: Mapping[str, tuple[bool, str]], scenario: Scenario, ran: Sequence[Ran]
) -> Looked:
    found = saw.get(then.key)
    if found is None:
        why = next((one.trouble or one.skipped for one in ran if one.trouble or one.skipped), "")
        seen = f"not looked at: {_short(why)}" if why else "its test was not run"
        return Looked(then.asked, then.how, Verdict.RED, seen, scenario.tests)
    held, seen = found
    verdict = Verdict.GREEN if held else Verdict.RED
    return Looked(then.asked, then.how, verdict, seen, scenario.tests)


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """Of all lines: nothing looked at is not green."""
    if not verdicts or Verdict.RED in verdicts:
        return Verdict.RED
    return Verdict.GREEN


def _name(test: str) -> str:
    return test.rpartition("::")[2]


def _short(text: str) -> str:
    """What is wrong, without how pytest came to it."""
    lines = text.strip().splitlines()
    told = [line for line in lines if not line.lstrip().startswith(("+", "Use -v", "Full diff"))]
    return " ".join(" ".join(told).split())[:_LONGEST]
