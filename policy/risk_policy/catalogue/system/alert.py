"""What an alert is that no threshold of a risk figure stands behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from risk_policy.catalogue.limits.limit import Kind
from risk_policy.vocabulary import Action, Category, DeadManAction, Layer, Severity

if TYPE_CHECKING:  # the model checks the names of limits, which are beside this
    from risk_policy.model import Policy

#: What the silence of a part asks for.
DEAD_MAN_ACTIONS: Final[Mapping[str, Action]] = {
    DeadManAction.ALERT: Action.NOTIFY,
    DeadManAction.REDUCE_ONLY: Action.PAUSE_NEW_ENTRIES,
    DeadManAction.HALT: Action.KILL_SWITCH,
}


@dataclass(frozen=True, slots=True)
class SystemAlert:
    """An alert with a condition of its own.

    Attributes:
        name: the alertname.
        limit: first part of its risk_id.
        action: what it asks for, unless the policy decides that.
        duration: dotted policy key, in seconds, for which the condition has to hold; empty
            if it fires at once.
        identity: labels that say what it is about; none if there is only one of it.
        measured: a sentence with ``{subject}`` and ``{value}``; empty if the value says nothing.
        kind: what the value is.
        is_event: whether it tells of something that happened. It is shown for a while, and that
            it is shown no longer is no news.
        action_key: dotted policy key of what the silence it tells of leads to, if there is one.
        trips_if: dotted policy key of a switch with which it trips the kill switch; empty if it
            never does.
        never_escalates: what is critical counts as worse while nobody acknowledges it, unless this.
    """

    name: str
    limit: str
    severity: Severity
    action: Action
    duration: str
    summary: str
    meaning: str
    advice: str
    identity: tuple[str, ...] = ()
    category: Category = Category.SYSTEM
    layer: Layer = Layer.SYSTEM
    measured: str = ""
    kind: Kind = Kind.NUMBER
    is_event: bool = False
    action_key: str = ""
    trips_if: str = ""
    never_escalates: bool = False

    @property
    def escalates(self) -> bool:
        """Whether it counts as worse while nobody acknowledges it."""
        return self.severity is Severity.CRITICAL and not self.never_escalates

    def action_under(self, policy: Policy) -> Action:
        """What it asks for under a policy."""
        if self.action_key:
            return DEAD_MAN_ACTIONS[policy.text(self.action_key)]
        trips = self.trips_if and policy.switch(self.trips_if)
        return Action.KILL_SWITCH if trips else self.action

    @property
    def possible_actions(self) -> tuple[Action, ...]:
        """What it asks for under any policy."""
        if self.action_key:
            return tuple(DEAD_MAN_ACTIONS.values())
        return (self.action, Action.KILL_SWITCH) if self.trips_if else (self.action,)

    @property
    def latched(self) -> bool:
        """Whether its beginning is kept, for what has to last or may escalate."""
        return self.escalates or bool(self.duration)
