"""What the gate asks for, done on a nautilus account: its mode, its closings, its resting orders.

Invariants: what the gate says now decides, never what it said before; nautilus's TradingState goes
back to what it was before the gate closed, be that HALTED by somebody's hand.
"""

from __future__ import annotations

from collections.abc import Callable

from risk_policy.contracts.restriction import Kill, RestrictionKind
from risk_policy.contracts.scope import Scope
from risk_policy.vocabulary import KillMode
from risk_runtime.adapters.nautilus.account import NautilusAccount
from risk_runtime.adapters.nautilus.closer import Closer
from risk_runtime.adapters.nautilus.closing import Mode
from risk_runtime.adapters.nautilus.judge import Judge
from risk_runtime.gate_reading import Decision, GateReading, GateState


class Obedience:
    """Of one account.

    Args:
        graceful_seconds: how long a graceful kill leaves positions to their targets.
        resting_seconds: how long orders that add risk may go on resting at the venue while
            something else than a kill refuses them.
        uptime: seconds, whatever is done to the wall clock.
    """

    def __init__(
        self,
        account: NautilusAccount,
        judge: Judge,
        closer: Closer,
        *,
        graceful_seconds: float,
        resting_seconds: float,
        uptime: Callable[[], float],
    ) -> None:
        self._whole = Scope(account=account.name)
        self._account = account
        self._judge = judge
        self._closer = closer
        self._graceful_seconds = graceful_seconds
        self._resting_seconds = resting_seconds
        self._uptime = uptime
        self._restores: Mode | None = None
        self._graceful_since: dict[str, float] = {}
        self._refused_since: dict[str, float] = {}

    @property
    def is_imposing(self) -> bool:
        """Whether nautilus's TradingState is the gate's at the moment."""
        return self._restores is not None

    def obey(self, reading: GateReading) -> None:
        """Do what the gate asks for now. To be called again and again."""
        kill = reading.kill_over(self._whole)
        self._closer.keep(reading.kills)
        self._follow(reading)
        if kill is not None and self._closes_now(kill):
            self._closer.close(kill, whole=True)
        for part in reading.kills:
            if part is not kill and part.scope.may_cover(self._whole) and self._closes_now(part):
                self._closer.close(part, whole=False)
        if reading.state is GateState.OPEN and not reading.restrictions:
            self._refused_since.clear()
        else:
            self._withdraw_entries(reading)

    def _follow(self, reading: GateReading) -> None:
        """Have nautilus's RiskEngine refuse entries where the gate refuses all of them."""
        closed = reading.state is not GateState.OPEN or any(
            one.kind is not RestrictionKind.REDUCE_SIZE and one.scope.includes(self._whole)
            for one in reading.restrictions
        )
        if not closed:
            if self._restores is not None:
                self._closer.set_mode(self._restores)
                self._restores = None
            return
        if self._restores is None:
            self._restores = self._closer.mode
        if self._closer.mode is Mode.ACTIVE:
            self._closer.set_mode(Mode.REDUCING)

    def _closes_now(self, kill: Kill) -> bool:
        """Whether what it covers is to be closed at once.

        The receivers tighten a graceful kill when its time is over. Should they be dead by then, it
        is over here as well, counted by the machine's uptime from when the kill was first seen.
        """
        if kill.mode is not KillMode.GRACEFUL:
            return kill.mode is KillMode.IMMEDIATE
        seen_at = self._graceful_since.setdefault(kill.id, self._uptime())
        return self._uptime() - seen_at >= self._graceful_seconds

    def _withdraw_entries(self, reading: GateReading) -> None:
        """Leave no order at a venue that adds risk and would be refused if it were sent now."""
        now = self._uptime()
        for order in self._account.working():
            name = str(order.client_order_id)
            decision = self._judge.resting(order)
            if decision is not None and (decision.allowed or _is_about_size(decision)):
                self._refused_since.pop(name, None)
                continue
            subject = self._account.subject(order)
            kill = next((one for one in reading.kills if one.scope.may_cover(subject)), None)
            since = self._refused_since.setdefault(name, now)
            if kill is not None or now - since >= self._resting_seconds:
                self._closer.cancel([order], "" if kill is None else kill.id)


def _is_about_size(decision: Decision) -> bool:
    """Whether only new orders have to be smaller."""
    restriction = decision.restriction
    return restriction is not None and restriction.kind is RestrictionKind.REDUCE_SIZE
