"""Latches: what turns a value into a breach that has a beginning, and keeps it.

Neither ``for`` nor ``keep_firing_for`` nor ALERTS_FOR_STATE survives a restart of Prometheus
with its clock intact; a recorded series that reads its own previous sample does. So a breach
is a series whose value is the time it began:

* it begins beyond the threshold and ends at the clear level, so that a value that hovers at
  its threshold is one breach and not many;
* it goes on while nobody knows better: while its account is not reported, or is NaN;
* it may be held for a cooldown after it ends.

Every timer in the rules is the distance of such a time from now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.contracts import alert as labels
from risk_policy.model import Policy
from risk_rules import promql
from risk_rules.rule import RecordingRule
from risk_rules.timing import half_evaluation_seconds, off_multiple

_SECONDS_PER_MINUTE: Final = 60
#: The label of what is not what somebody reports now.
HELD: Final = "held"
_UNREPORTED: Final = "unreported"
#: For at least so long the end of an acknowledgement is remembered if nobody exports it any more.
_ACK_MEMORY_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True)
class Latch:
    """One tier of one limit, as the series that say since when and until when it is breached."""

    limit: str
    tier: str

    @property
    def labels(self) -> Mapping[str, str]:
        """What tells its series from others."""
        return {labels.LIMIT: self.limit, labels.TIER: self.tier}

    @property
    def since(self) -> str:
        """When the breach began; absent without one."""
        return promql.series(m.BREACH_SINCE, **self.labels)

    @property
    def until(self) -> str:
        """Until when its cooldown holds it."""
        return promql.series(m.HELD_UNTIL, **self.labels)

    @property
    def unacked(self) -> str:
        """Since when it waits for an acknowledgement."""
        return promql.series(m.UNACKED_SINCE, **self.labels)

    def rule(self, begins: str, goes_on: str) -> RecordingRule:
        """The breach: from the first of these expressions to the end of the second."""
        expression = (
            f"({self.since} and on (risk_id) ({goes_on}))\n"
            f"or on (risk_id) (clamp({begins}, 0, 0) + time())"
        )
        return RecordingRule(m.BREACH_SINCE.name, expression, self.labels)

    def confirmed(self, policy: Policy, seconds: float) -> str:
        """The breach, once it has lasted."""
        if not seconds:
            return self.since
        lasted = promql.number(round(seconds - half_evaluation_seconds(policy, self.limit), 3))
        return f"({self.since} <= time() - {lasted})"

    def unacked_rule(self, policy: Policy, confirmation: float) -> RecordingRule:
        """Since when the confirmed breach waits; absent while an acknowledgement holds.

        That is when it was confirmed, or when its latest acknowledgement ended, even if nothing
        was evaluated at that moment: what is computed afresh each time cannot be late.
        """
        begun = f"({self.since} + {promql.number(confirmation)})" if confirmation else self.since
        memory = promql.duration(off_multiple(policy, ack_memory_seconds(policy)))
        told = f"last_over_time({promql.series(m.ACK_UNTIL, tier=self.tier)}[{memory}])"
        nearest = promql.number(half_evaluation_seconds(policy, self.limit))
        # Several receivers may report the same acknowledgement; the one that lasts counts.
        until = f"max by (risk_id) ({told})"
        expression = (
            f"((({self.since} * 0 + on (risk_id) group_left () {until}) > {begun})\n"
            f"or on (risk_id) {begun})\n"
            f"<= time() + {nearest}"
        )
        return RecordingRule(m.UNACKED_SINCE.name, expression, self.labels)

    def cooldown_rule(
        self, policy: Policy, minutes: float, start: str, breach: str
    ) -> RecordingRule:
        """How long the breach is held. Restarts of any length leave it alone.

        Args:
            start: ``trip`` or ``end``, from which the cooldown counts.
            breach: the confirmed breach.
        """
        seconds = minutes * _SECONDS_PER_MINUTE
        window = promql.duration(off_multiple(policy, seconds))
        begins = breach if start == "trip" else f"{breach} * 0 + time()"
        expression = (
            f"({begins} + {promql.number(seconds)} > time())\n"
            f"or on (risk_id) (last_over_time({self.until}[{window}]) > time())"
        )
        return RecordingRule(m.HELD_UNTIL.name, expression, self.labels)


def ack_memory_seconds(policy: Policy) -> float:
    """How long an end that nobody exports any more is remembered: until every step is past."""
    steps = policy.alerting.escalation.time_based
    return max(_ACK_MEMORY_SECONDS, _SECONDS_PER_MINUTE * steps.emergency_kill_switch_minutes)


def value_of(limit: str) -> str:
    """What a limit is judged by, held."""
    return promql.series(m.LIMIT_VALUE, limit=limit)


def raw_rule(policy: Policy, limit: str, group: str, reported: str) -> RecordingRule:
    """What is reported now; and what was there of accounts that are known and not reported now.

    Both in one expression, which reads a single state of the storage: a scrape that fails is
    noted late and for an earlier time, and two rules of one round can disagree about it.

    Args:
        reported: what the metric says now, once per identity.
    """
    known = promql.series(m.ACCOUNT_KNOWN, group=group)
    unreported = (
        f"{value_of(limit)} and on (account) ({known} unless on (account) {_fresh(policy)})"
    )
    held = promql.with_constant_label(unreported, HELD, _UNREPORTED)
    return RecordingRule(
        m.LIMIT_RAW.name, f"{reported}\nor on (risk_id) {held}", {labels.LIMIT: limit}
    )


def value_rule(limit: str) -> RecordingRule:
    """A number counts at once. Its absence counts if its account is reported without it.

    After a restart of Prometheus, what is reported and what is held can be there side by side.
    """
    now = promql.series(m.LIMIT_RAW, limit=limit, held="")
    held = promql.series(m.LIMIT_RAW, limit=limit, held=_UNREPORTED)
    expression = (
        f"({now} == {now})\n"
        f"or on (risk_id) {held}\n"
        f"or on (risk_id) ({value_of(limit)} and on (risk_id) ({now} != {now}))"
    )
    return RecordingRule(m.LIMIT_VALUE.name, expression, {labels.LIMIT: limit, HELD: ""})


def known_rule(policy: Policy, group: str) -> RecordingRule:
    """Until when an account counts as known, of which there was a fresh report lately."""
    kept = promql.number(policy.alerting.latch.hold_missing_minutes * _SECONDS_PER_MINUTE)
    known = promql.series(m.ACCOUNT_KNOWN, group=group)
    until = f"({_fresh(policy)} * 0 + time() + {kept})\nor on (account) ({known} > time())"
    return RecordingRule(m.ACCOUNT_KNOWN.name, until, {"group": group})


def _fresh(policy: Policy) -> str:
    """Accounts with a fresh report.

    A report is what carries the number of positions: an exporter that has just started knows
    an account's age from its memory, but not what it holds.
    """
    stale = promql.number(policy.alerting.system.snapshot_stale_seconds)
    return (
        f"(group by (account) ({promql.series(m.POSITIONS_OPEN)}) and on (account) "
        f"(min by (account) ({promql.series(m.SNAPSHOT_AGE)}) <= {stale}))"
    )
