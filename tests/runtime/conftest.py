"""Helpers of the runtime's tests: a gate writer made from the contract, and a deadline."""

from __future__ import annotations

import json
import mmap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from risk_exporter import RiskExporter
from risk_policy import default_policy_path, load_policy
from risk_policy.clock import utc_now
from risk_policy.contracts import gate as contract
from risk_policy.contracts.gate import GateDetail
from risk_policy.contracts.reports import Report
from risk_policy.contracts.restriction import Kill, Restriction
from risk_policy.contracts.snapshot import Snapshot
from risk_policy.vocabulary import KillMode
from risk_runtime import PreTradeLimits, TradeGate
from risk_runtime.paper.account import AccountStore
from risk_runtime.paper.journal import Journal
from risk_runtime.paper.replay import Replay
from risk_runtime.paper.runtime import Pace, PaperRuntime, Terms
from risk_runtime.prices import load_prices

LONGEST_NS = 60_000_000_000


class GateWriter:
    """Publishes a gate as the receivers do: one mapping, detail beside it."""

    longest_ns = LONGEST_NS

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.version = 0
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / contract.LEASE_FILE
        staging = directory / ".lease.new"
        staging.write_bytes(
            contract.encode(
                lease_ns=0, version=0, longest_ns=self.longest_ns, boot=contract.boot_id()
            )
        )
        staging.replace(path)
        with path.open("r+b") as stream:
            self._words = memoryview(mmap.mmap(stream.fileno(), contract.SIZE)).cast("Q")

    def lease(self, seconds: float) -> None:
        """Grant a lease from now on, leaving the version alone."""
        self._words[0] = contract.now_ns() + int(seconds * 1e9)

    def store(self, lease_ns: int, version: int) -> None:
        """Store both words as they are."""
        self.version = version
        self._words[0] = lease_ns
        self._words[1] = version

    def open(self, seconds: float = 50.0, *restrictions: Restriction) -> None:
        """Open the gate: detail, version, lease."""
        self.version += 1
        self._write_detail(halted=False, restrictions=restrictions)
        self._words[1] = self.version
        self.lease(seconds)

    def kill(
        self,
        kill_id: str = "kill-0001",
        mode: KillMode = KillMode.IMMEDIATE,
        cause: str = "DRAWDOWN_EMERGENCY",
        **fields: object,
    ) -> None:
        """Trip the switch: HALT, version, detail."""
        self.halt_without_reason()
        restriction = Kill.model_validate(
            {
                "mode": mode,
                "id": kill_id,
                "cause": cause,
                "level": "emergency",
                "since": utc_now(),
                **fields,
            }
        )
        self._write_detail(halted=True, restrictions=(restriction,))

    def halt_without_reason(self) -> None:
        """HALT and a new version, with the detail not written yet."""
        self._words[0] = contract.HALT
        self.version += 1
        self._words[1] = self.version

    def _write_detail(self, *, halted: bool, restrictions: tuple[Restriction, ...]) -> None:
        contract.write_detail(
            self.directory,
            GateDetail(
                version=self.version,
                halted=halted,
                restrictions=restrictions,
                policy_digest="0" * 64,
                written_at=utc_now(),
            ),
        )


PRICES = load_prices()
LIMITS = replace(PreTradeLimits.of(load_policy(default_policy_path(), {})), exposure_max_ratio=0.85)


@dataclass
class Rig:
    """A runtime with everything it needs, over one data folder; started as often as wished."""

    data: Path
    gate: TradeGate
    exporter: Any
    first: date = date(2007, 1, 3)
    last: date = PRICES.days[-1].date
    pace: Pace = field(default_factory=Pace)
    terms: Terms = field(
        default_factory=lambda: Terms("main", Decimal(1_000_000), timedelta(minutes=30), LIMITS)
    )
    store: AccountStore | None = None
    reports: list[Report] = field(default_factory=list)
    on_day: Callable[[date], None] = lambda _: None
    uptime: Callable[[], float] = time.monotonic
    exchange_clock: Callable[[], float] = time.monotonic
    runtime: PaperRuntime | None = None

    def submit(self, reports: Sequence[Report]) -> None:
        self.reports += reports

    def observe(self, snapshot: Snapshot) -> Any:
        figures = self.exporter.observe(snapshot)
        self.on_day(snapshot.market_time.date())
        return figures

    def count_blocked(self, account: str, limit: str, by: int = 1) -> None:
        self.exporter.count_blocked(account, limit, by)

    def seed_closes(self, account: str, closes: dict[str, dict[str, float]]) -> None:
        self.exporter.seed_closes(account, closes)

    def run(self, stop: threading.Event | None = None, **waiting: Any) -> PaperRuntime:
        with Journal(self.journal_file) as journal:
            self.runtime = PaperRuntime(
                self.terms,
                gate=self.gate,
                exporter=self,
                reporter=self,
                journal_file=journal,
                store=self.store or AccountStore(self.data),
                replay=Replay(PRICES, self.first, self.last),
                pace=self.pace,
                uptime=self.uptime,
                exchange_clock=self.exchange_clock,
            )
            self.runtime.prepare()
            self.runtime.run(stop or threading.Event(), **waiting)
        return self.runtime

    def kill_on(self, writer: GateWriter, day: date, **kill: Any) -> None:
        """Trip the switch once, after the given day was published."""

        def trip(market_date: date) -> None:
            if market_date >= day:
                self.on_day = lambda _: None
                writer.kill(**kill)

        self.on_day = trip

    def fresh(self, exporter: RiskExporter) -> Rig:
        """Another one from the start, beside this one."""
        data = self.data.with_name("fresh")
        data.mkdir()
        return Rig(data, self.gate, exporter, last=self.last)

    @property
    def journal_file(self) -> Path:
        return self.data / "journal.jsonl"

    def journal(self, kind: str = "") -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.journal_file.read_text().splitlines()]
        return [line for line in lines if kind in ("", line["kind"])]


@pytest.fixture
def gate_dir(tmp_path: Path) -> Path:
    """An empty folder for a gate."""
    directory = tmp_path / "gate"
    directory.mkdir()
    return directory


@pytest.fixture
def writer(gate_dir: Path) -> GateWriter:
    """A gate writer whose gate is closed so far."""
    return GateWriter(gate_dir)


@pytest.fixture
def new_writer(gate_dir: Path) -> Callable[[], GateWriter]:
    """Starts another writer over the same folder, as a restart does."""
    return lambda: GateWriter(gate_dir)


@pytest.fixture
def gate(gate_dir: Path) -> TradeGate:
    """A reader of that folder."""
    return TradeGate(gate_dir)


@pytest.fixture
def new_exporter(tmp_path: Path) -> Iterator[Callable[[], RiskExporter]]:
    """Makes real exporters, each with a state of its own."""
    policy = load_policy(default_policy_path(), {})
    with ExitStack() as stack:
        numbers = count()

        def make() -> RiskExporter:
            directory = tmp_path / f"exporter-{next(numbers)}"
            return stack.enter_context(RiskExporter(policy, directory))

        yield make


@pytest.fixture
def exporter(new_exporter: Callable[[], RiskExporter]) -> RiskExporter:
    """A real exporter."""
    return new_exporter()


@pytest.fixture
def rig(tmp_path: Path, gate: TradeGate, exporter: RiskExporter) -> Rig:
    """A paper runtime over the real book, in process and as fast as it goes."""
    data = tmp_path / "data"
    data.mkdir()
    return Rig(data, gate, exporter)
