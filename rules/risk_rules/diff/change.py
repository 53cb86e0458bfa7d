"""What a change of the policy does to somebody, as values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What is changed, in the order in which it is told."""

    KILL_SWITCH = "kill switch"
    THRESHOLD = "threshold"
    CLEAR = "clear level"
    CONFIRMATION = "confirmation"
    COOLDOWN = "cooldown"
    ESCALATION = "escalation"
    SYSTEM = "the risk layer itself"
    CHANNEL = "channels"
    QUIET = "when people are not told"
    ROUTING = "pace of messages"
    OTHER = "other settings"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is different.

    Attributes:
        subject: whom or what it is about: an alert, a severity, a channel, or the key.
        effect: what follows; empty if the numbers say it all.
        key: the policy key that was changed.
    """

    kind: Kind
    subject: str
    before: str
    after: str
    effect: str
    key: str

    @property
    def text(self) -> str:
        """In one line."""
        told = f": {self.effect}" if self.effect else ""
        return f"{self.subject}: {self.before} → {self.after}{told}"


@dataclass(frozen=True, slots=True)
class RuleCounts:
    """How many rules and groups Prometheus would load differently."""

    changed: int
    added: int
    removed: int
    alike: int


@dataclass(frozen=True, slots=True)
class PolicyDiff:
    """Everything that is different between two policies."""

    changes: tuple[Change, ...]
    rules: RuleCounts

    @property
    def is_empty(self) -> bool:
        """Whether they mean the same."""
        return not self.changes and not (self.rules.changed + self.rules.added + self.rules.removed)

    def document(self) -> dict[str, Any]:
        """As it stands in JSON."""
        return {
            "identical": self.is_empty,
            "changes": [asdict(change) for change in self.changes],
            "rules": asdict(self.rules),
        }
