"""The exporter: snapshots in, risk measures out, one collector for prometheus_client.

Embed it in a trading runtime::

    policy = load_policy(default_policy_path())
    exporter = RiskExporter(policy, Path("var/risk"))
    with exporter, ExporterServer(exporter):
        while trading:
            exporter.observe(Snapshot(account="main", equity=…, cash=…, positions=…, taken_at=…))

When :meth:`RiskExporter.observe` returns, the figures are what the next scrape shows, and the
death of this process forgets nothing of them unless :attr:`RiskExporter.failures` says otherwise;
:mod:`risk_exporter.keeper` says what a loss of power may take.

An account that is remembered is shown from the first scrape on, as old as its latest snapshot is.
What a snapshot does not tell is absent from the scrape; :mod:`risk_policy.contracts.snapshot` says
what it may tell.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from prometheus_client import Metric as Family
from prometheus_client.registry import Collector

from risk_exporter.account import Account, Terms
from risk_exporter.errors import (
    ExporterError,
    Refusal,
    SnapshotRefusedError,
    StateError,
    UnknownAccountError,
)
from risk_exporter.fast_lane import FastLane
from risk_exporter.keeper import Pace
from risk_exporter.market import MarketCloses
from risk_exporter.measures import Measures
from risk_exporter.memory import AccountFolder, StateFolder
from risk_exporter.series import (
    COMPONENT,
    Block,
    Published,
    exporter_blocks,
    fast_lane_blocks,
    mark_reset,
    state_unsaved,
)
from risk_exporter.text import BlockFamily, Prefixes
from risk_exporter.value_at_risk import Conventions
from risk_policy import Policy
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics import METRICS
from risk_policy.clock import utc_now
from risk_policy.contracts.gating import ToldGating
from risk_policy.contracts.high_water_mark import Standing, Wanted
from risk_policy.contracts.snapshot import Snapshot
from risk_policy.disk import free_ratio

#: Attribute of an exception that was counted.
_COUNTED: Final = "_counted_by_risk_exporter"

_log = logging.getLogger(__name__)


class RiskExporter(Collector):
    """Measures the snapshots of any number of accounts. Thread-safe.

    Args:
        policy: limits, conventions and the digest that is exported.
        state_dir: what survives a restart; belongs to this exporter alone while it is open.
        clock: the wall clock, UTC.
        fast_lane: tells the receivers of what trips the kill switch; runs while this is open.
        gating: what stands between a runtime and a live market, of snapshots that do not tell.

    Raises:
        StateError: what is remembered cannot be read.
    """

    def __init__(
        self,
        policy: Policy,
        state_dir: Path,
        clock: Callable[[], datetime] = utc_now,
        *,
        fast_lane: FastLane | None = None,
        gating: ToldGating | None = None,
    ) -> None:
        self.policy = policy
        self._gating = gating
        self._clock = clock
        self._fast_lane = fast_lane
        self._terms = Terms(
            conventions=Conventions.of(policy),
            window_days=policy.alerting.measures.var_window_days,
            pace=Pace(
                stale_after=timedelta(seconds=policy.alerting.system.snapshot_stale_seconds),
                step_ratio=policy.alerting.thresholds.portfolio.daily_loss_warning_pct / 100,
            ),
            price_period=timedelta(
                minutes=policy.alerting.circuit_breakers.volatility.price_move_minutes
            ),
            watch=self._watch,
        )
        self._lock = threading.Lock()
        self._prefixes = Prefixes()
        self._refused: Counter[Refusal] = Counter()
        self._blocked: Counter[tuple[str, str]] = Counter()
        self._unexpected = 0
        self._closed = False
        self._folder = StateFolder(state_dir)
        try:
            self._market = MarketCloses(self._folder)
            self._accounts = {
                folder.path.name: self._new_account(folder) for folder in self._folder.accounts()
            }
        except BaseException:
            self._folder.close()
            raise
        if fast_lane is not None:
            fast_lane.start(self.count_unexpected)

    # -- in ----------------------------------------------------------------------------------

    def observe(self, snapshot: Snapshot) -> Measures:
        """Take a snapshot in and measure it.

        Raises:
            SnapshotRefusedError: it is older than what is known, or cannot be compared with it.
                The latest figures stand, and grow old.
        """
        try:
            if snapshot.gating is None and self._gating is not None:
                snapshot = snapshot.model_copy(update={"gating": self._gating})
            return self._account(snapshot.account).observe(snapshot, self._clock())
        except SnapshotRefusedError as error:
            self.count_refusal(error.reason)
            _log.warning("snapshot refused (%s): %s: %s", error.reason, error.path, error)
            raise
        except ExporterError:
            raise
        except Exception as error:  # counted whoever called, and then theirs
            self.count_unexpected(error)
            raise

    def seed_closes(self, account: str, closes: dict[str, dict[str, float]]) -> None:
        """Give one account daily closes by symbol and ISO date, the history of value at risk.

        They are merged with what is known and not stored: give them at every start. Days from
        the current trading day on are kept, and count once they are past.

        Raises:
            HistoryError: naming the symbol and day that cannot be used.
        """
        self._account(account).seed(closes)

    def seed_market_closes(
        self, closes: Mapping[str, Mapping[str, float]], *, remember: bool = False
    ) -> None:
        """Give every account daily closes, those included that are yet to come.

        An account takes over those of the symbols it holds with its next snapshot.

        Args:
            remember: across restarts; they are on disk when this returns. Else give them at
                every start.

        Raises:
            HistoryError: naming the symbol and day that cannot be used.
            StateError: they cannot be stored, or the exporter is closed. Nothing was changed.
        """
        with self._lock:
            self._refuse_if_closed()
        self._market.add(closes, remember=remember)

    def high_water_mark(self, wanted: Wanted) -> Standing:
        """How an account stands, once its high-water mark was reset if that is wanted.

        Raises:
            ResetRefusedError: the account is unknown, holds something, is stale or is not what the
                record of the reset says.
            StateError: the reset cannot be stored, or the exporter is closed.
        """
        with self._lock:
            self._refuse_if_closed()
            account = self._accounts.get(wanted.account)
        if account is None:
            raise UnknownAccountError(f"account {wanted.account} is not known here")
        now = self._clock()
        if wanted.reset is None:
            return account.standing(now)
        return account.reset_mark(wanted.reset, now)

    def count_refusal(self, reason: Refusal) -> None:
        """Count a snapshot that was refused, also one that never became a snapshot."""
        with self._lock:
            self._refused[reason] += 1

    def count_blocked(self, account: str, limit: str, by: int = 1) -> None:
        """Count orders that were refused, by the pre-trade limit's name or ``gate``.

        By 0 it is counted from now on: Prometheus sees no growth in what was never at 0.
        """
        with self._lock:
            self._blocked[account, limit] += by

    def count_unexpected(self, error: Exception) -> None:
        """Count an exception that nobody had planned for; the same one only once."""
        marks = vars(error)
        with self._lock:
            self._unexpected += not marks.get(_COUNTED, False)
        marks[_COUNTED] = True

    # -- out ---------------------------------------------------------------------------------

    @property
    def failures(self) -> tuple[str, ...]:
        """Why the latest state of accounts is not on disk; empty while all is well."""
        with self._lock:
            accounts = list(self._accounts.values())
        return tuple(account.failure for account in accounts if account.failure)

    def blocks(self) -> Iterator[Block]:
        """Every series there is now, block by block."""
        now = self._clock()
        with self._lock:
            accounts = [(name, self._accounts[name]) for name in sorted(self._accounts)]
            unexpected = self._unexpected
            refused = [float(self._refused[reason]) for reason in Refusal]
            blocked = sorted(self._blocked.items())
        for name, account in accounts:
            if published := account.published:
                yield from published.blocks(self._terms.conventions, now)
                yield state_unsaved(name, account.unsaved_seconds(now))
            if reset_at := account.mark_reset_at:
                yield mark_reset(name, reset_at)
        reasons = [{"reason": reason.value} for reason in Refusal]
        yield Block(m.SNAPSHOTS_REJECTED, reasons, np.array(refused))
        if blocked:
            names = [{"account": account, "limit": limit} for (account, limit), _ in blocked]
            yield Block(m.TRADES_BLOCKED, names, np.array([float(count) for _, count in blocked]))
        info = {"component": COMPONENT, "digest": self.policy.digest}
        yield Block(m.POLICY_INFO, (info,), np.ones(1))
        yield from fast_lane_blocks(self._fast_lane)
        yield from exporter_blocks(now, unexpected, free_ratio(self._folder.path))

    def collect(self) -> Iterator[Family]:
        """What prometheus_client asks for at a scrape. Nothing is measured here."""
        blocks = tuple(self.blocks())
        self._prefixes.keep(blocks)
        families: dict[str, BlockFamily] = {}
        for block in blocks:
            name = block.metric.name
            if name not in families:
                families[name] = BlockFamily(block.metric, self._prefixes)
            families[name].blocks.append(block)
        yield from families.values()

    def describe(self) -> Iterator[Family]:
        """Every family this collector can have, so that a registry notices duplicates."""
        for metric in METRICS.values():
            if metric.component == COMPONENT:
                yield BlockFamily(metric, self._prefixes)

    # -- end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Store the latest state and give the folder free. What follows is refused."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            accounts = list(self._accounts.values())
        for account in accounts:
            account.flush(self._clock())
        self._folder.close()
        if self._fast_lane is not None:
            self._fast_lane.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _watch(self, published: Published, now: datetime) -> None:
        if self._fast_lane is not None:
            shown = published.measures
            self._fast_lane.see(shown.account, published.figures, now, shown.taken_at)

    def _account(self, name: str) -> Account:
        with self._lock:
            self._refuse_if_closed()
            account = self._accounts.get(name)
            if account is None:
                account = self._new_account(self._folder.account(name))
                self._accounts[name] = account
            return account

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise StateError(
                "this exporter is closed and its folder may belong to another by now; "
                "make a new one"
            )

    def _new_account(self, folder: AccountFolder) -> Account:
        return Account(folder, self._terms, self._market, self._clock())
