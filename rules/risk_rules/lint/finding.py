"""What a check finds: a value that says which rule, where, what is wrong, and what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

from risk_policy.lines import Lines
from risk_rules.lint.rules import Rule


class Level(StrEnum):
    """An error makes a rule watch something else than it says; a warning may."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        check: name of the check.
        rule: alert or recorded series, with what tells it from others of that name.
        line: line in the file, 0 if unknown.
        key: dotted policy key that the rule follows from; empty if it follows from none.
        policy_line: where that stands in the policy file, 0 if nowhere.
    """

    check: str
    level: Level
    message: str
    remedy: str
    rule: str = ""
    file: str = ""
    line: int = 0
    key: str = ""
    policy_line: int = 0

    def render(self, policy_source: str) -> str:
        """As it is read in a terminal."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        subject = ": ".join(part for part in (place, self.rule) if part)
        at = f"{policy_source}:{self.policy_line}" if self.policy_line else f"{policy_source}"
        policy = f"\n    policy: {self.key} ({at})" if self.key else ""
        head = f"{self.level}: {subject}: " if subject else f"{self.level}: "
        return f"{head}{self.message} [{self.check}]\n    remedy: {self.remedy}{policy}"

    def document(self) -> dict[str, str | int]:
        """As it stands in JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Reporter:
    """Makes findings about rules, with the policy's line for each."""

    check: str
    policy_lines: tuple[str, ...]

    def about(
        self, rule: Rule, message: str, remedy: str, level: Level = Level.ERROR, key: str = ""
    ) -> Finding:
        """A finding about a rule; the key is the one the rule follows from unless given."""
        decisive = key or rule.key
        return Finding(
            check=self.check,
            level=level,
            message=message,
            remedy=remedy,
            rule=rule.title,
            file=rule.file,
            line=rule.line,
            key=decisive,
            policy_line=Lines("\n".join(self.policy_lines)).of(decisive) if decisive else 0,
        )
