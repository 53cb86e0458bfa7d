"""Whatever is recorded, held, released, deleted and interrupted, in any order."""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from chain_archive import DAY, Archive
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from risk_policy.contracts.audit import EventType
from risk_policy.model.audit import AuditRetention
from risk_receivers.audit.holds import HoldFilter

ACCOUNTS = st.sampled_from(["main", "other"])
TYPES = st.sampled_from(
    [EventType.ALERT_CREATED, EventType.TRADE_BLOCKED, EventType.KILL_SWITCH_LOOSENING_ASKED]
)
FILTERS = st.builds(
    HoldFilter,
    first=st.none() | st.integers(1, 30),
    types=st.sampled_from([frozenset(), frozenset({"ALERT_CREATED"})]),
    accounts=st.sampled_from([frozenset(), frozenset({"main"})]),
)


class Stories(RuleBasedStateMachine):
    """What was recorded is remembered here, and judged without the chain's help."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.archive = Archive(
            Path(self.folder.name) / "audit.db",
            AuditRetention(default_days=3, trade_blocked_days=6),
        )
        self.recorded: dict[int, tuple[EventType, str, datetime]] = {}
        self.holds: dict[str, HoldFilter] = {}
        self.gone: set[int] = set()

    @rule(kind=TYPES, account=ACCOUNTS, count=st.integers(1, 60))
    def record(self, kind: EventType, account: str, count: int) -> None:
        now = self.archive.now
        last = self.archive.add(kind, count, details={"account": account})
        self.recorded |= dict.fromkeys(range(last - count + 1, last + 1), (kind, account, now))

    @rule(hours=st.integers(1, 100))
    def time_passes(self, hours: int) -> None:
        self.archive.now += timedelta(hours=hours)

    @rule(name=st.sampled_from("ab"), covers=FILTERS)
    def place(self, name: str, covers: HoldFilter) -> None:
        if name not in self.holds:
            self.archive.pruner("ann").place(name, "asked", covers)
            self.holds[name] = covers

    @precondition(lambda self: self.holds)
    @rule()
    def release(self) -> None:
        name = min(self.holds)
        self.archive.pruner("ann").release(name, "settled")
        del self.holds[name]

    @rule(steps=st.none() | st.integers(0, 2))
    def prune(self, steps: int | None) -> None:
        self.archive.prune_steps(10_000 if steps is None else steps)
        gone = set(self.archive.gone())
        went = gone - self.gone
        assert self.gone <= gone
        assert all(self._may_go(seq) for seq in went)
        if steps is None:
            assert gone == self.gone | {seq for seq in self.recorded if self._may_go(seq)}
        self.gone = gone

    def _may_go(self, seq: int) -> bool:
        kind, account, at = self.recorded[seq]
        days = {EventType.ALERT_CREATED: 3, EventType.TRADE_BLOCKED: 6}.get(kind)
        return (
            days is not None
            and at + days * DAY + DAY <= self.archive.now
            and not any(
                (hold.first is None or seq >= hold.first)
                and (not hold.types or kind.value in hold.types)
                and (not hold.accounts or account in hold.accounts)
                for hold in self.holds.values()
            )
        )

    @invariant()
    def the_chain_verifies(self) -> None:
        if hasattr(self, "archive"):
            assert self.archive.verify().problems == ()

    def teardown(self) -> None:
        if hasattr(self, "archive"):
            self.archive.writer.stop()
            self.folder.cleanup()


TestInAnyOrder = Stories.TestCase
TestInAnyOrder.settings = settings(max_examples=10, stateful_step_count=12)
