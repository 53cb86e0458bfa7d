"""An alert in words: values that a terminal draws and JSON carries."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from risk_policy.audience import Told
from risk_policy.unanswered import Step


@dataclass(frozen=True, slots=True)
class Watched:
    """What an alert watches and when it fires.

    Attributes:
        condition: when it fires, in a sentence.
        threshold: where a breach begins; empty if the alert has no threshold.
        clear: where it ends.
        settings: policy keys that decide about it -> their values, the decisive one first.
    """

    what: str
    condition: str
    threshold: str = ""
    clear: str = ""
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rising:
    """An escalation that does not depend on the clock alone.

    Attributes:
        kind: ``frequency`` or ``trend``.
        severity: what the alert counts as then; empty if it becomes another alert.
    """

    kind: str
    when: str
    severity: str


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """How to make it quiet without hiding what is worse.

    Attributes:
        covers: in a sentence.
        command: ready to be run, once the risk_id is filled in; empty if there is none.
        own: the same by the receivers, once the incident is filled in.
        tiers: that it covers.
    """

    covers: str
    command: str
    own: str = ""
    tiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything there is to know about an alert.

    Attributes:
        waits: which messages about it may wait, a sentence each.
        system: what the machine does, a sentence each.
        rules: title of each rule that belongs to it -> its PromQL.
    """

    name: str
    title: str
    limit: str
    tier: str
    severity: str
    category: str
    layer: str
    action: str
    meaning: str
    advice: str
    runbook: str
    watched: Watched
    told: tuple[Told, ...]
    waits: tuple[str, ...]
    timeline: tuple[Step, ...]
    rising: tuple[Rising, ...]
    acknowledgement: Acknowledgement
    system: tuple[str, ...]
    rules: dict[str, str]

    def document(self) -> dict[str, Any]:
        """As it stands in JSON."""
        return asdict(self)
