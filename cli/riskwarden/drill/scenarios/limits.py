"""Limits that are hit: an order's, the portfolio's, and a price that is none."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from risk_exporter import ExporterError, RiskExporter
from risk_policy import Policy
from risk_policy.clock import utc_now
from risk_policy.contracts.reports import TradeBlocked
from risk_policy.contracts.snapshot import Snapshot
from risk_runtime import (
    Book,
    Instrument,
    PreTradeChecks,
    PreTradeDecision,
    PreTradeLimits,
    Side,
    TradeOrder,
)
from riskwarden.drill.record import Notes
from riskwarden.drill.stage import ENTRY, Stage

_EQUITY = 100_000.0
_PRICE = 100.0


def oversized(policy: Policy, notes: Notes) -> PreTradeDecision:
    """An order three times as large as a position may be."""
    share = 3 * policy.alerting.limits.position_max_pct / 100
    quantity = share * _EQUITY / _PRICE
    decision = _check(policy, quantity, _PRICE)
    notes.did(f"check an order of {share:.0%} of equity before it is sent")
    notes.saw(decision.reason)
    limit = decision.limit.value if decision.limit else "none"
    notes.expect("the order is refused", met=not decision.allowed, evidence=decision.reason)
    notes.expect(
        "limit, value and threshold are named",
        met=None not in (decision.limit, decision.value, decision.threshold),
        evidence=f"{limit}: {decision.value} against {decision.threshold}",
    )
    return decision


def order_breach(stage: Stage, notes: Notes) -> None:
    """It is refused in the runtime, and on record."""
    notes.given("the gate is open")
    decision = oversized(stage.policy, notes)
    trade = f"drill-{uuid4()}"
    report = TradeBlocked(
        account="main",
        at=utc_now(),
        trade_id=trade,
        symbol="AAPL",
        side="buy",
        quantity="600",
        price="100",
        reason=decision.reason,
        gate_version=stage.gate.read().version,
        limit=decision.limit.value if decision.limit else "",
    )
    body = {"reports": [report.model_dump(mode="json")]}
    code, content = stage.call("POST", "/api/v1/runtime/reports", body, who="runtime")
    notes.did("report it, as a runtime does")
    found = stage.events("TRADE_BLOCKED", trade)
    notes.expect(
        "it is in the audit chain",
        met=code == 200 and len(found) == 1,
        evidence=f"seq {found[0]['header']['seq']}" if found else str(content),
    )
    notes.expect("everybody else trades on", met=stage.is_open, evidence=stage.gate_told)


def portfolio_breach(stage: Stage, notes: Notes) -> None:
    """The whole chain: breach, alert, kill, flat, blocked."""
    notes.given("the paper runtime replays the crash of 2008")
    # Of everything or of the account alone, as alerting.kill_switch.automatic_scope says.
    took = stage.wait(lambda: any(one["state"] == "FLAT_CONFIRMED" for one in stage.kills), 180)
    kill = next(iter(stage.kills), {})
    notes.did("wait for the emergency drawdown")
    notes.saw(f"kill switch {kill.get('state')}, cause {kill.get('cause')}")
    for event_type in (
        "ALERT_CREATED",
        "KILL_SWITCH_ACTIVATED",
        "POSITION_FORCE_CLOSED",
        "KILL_SWITCH_FLAT_CONFIRMED",
    ):
        found = stage.events(event_type)
        notes.expect(
            f"{event_type} is in the audit chain",
            met=bool(found),
            evidence=f"{len(found)}, first seq {found[0]['header']['seq']}" if found else "none",
        )
    notes.expect(
        "it became flat, and said so",
        met=took is not None,
        evidence=f"{kill.get('flat_confirmed_at')}" if took is not None else "not in time",
    )
    refused = stage.gate.check(ENTRY)
    notes.expect("no new entry", met=not refused.allowed, evidence=refused.reason)
    chain = stage.verified()
    notes.expect("the chain verifies", met=chain.ok, evidence=f"{chain.events} events")


def corrupt_candle(policy: Policy, notes: Notes) -> None:
    """It moves no figure and passes no order."""
    notes.given("an account of 100,000 with one position")
    with TemporaryDirectory() as folder, RiskExporter(policy, Path(folder)) as exporter:
        before = exporter.observe(_snapshot(_PRICE)).drawdown_ratio
        for price in (math.nan, math.inf, -_PRICE):
            notes.did(f"send a snapshot with a price of {price}")
            try:
                exporter.observe(_snapshot(price))
            except (ExporterError, ValueError) as error:
                told = " ".join(str(error).split())[:200]
                notes.expect(f"a price of {price} is refused", met=True, evidence=told)
            else:
                notes.expect(f"a price of {price} is refused", met=False, evidence="it was taken")
        after = exporter.observe(_snapshot(_PRICE)).drawdown_ratio
        notes.expect(
            "no figure has moved", met=before == after, evidence=f"drawdown {before} and {after}"
        )
    for price in (math.nan, math.inf, 0.0, -_PRICE):
        decision = _check(policy, 1.0, price)
        notes.expect(
            f"an order on a price of {price} is refused",
            met=not decision.allowed,
            evidence=decision.reason,
        )


def _check(policy: Policy, quantity: float, price: float) -> PreTradeDecision:
    checks = PreTradeChecks(PreTradeLimits.of(policy))
    now = checks.now()
    instrument = Instrument("AAPL", mark=price, priced_at=now)
    book = Book("main", equity=_EQUITY, taken_at=now, instruments=[instrument])
    return checks.check(TradeOrder("main", "AAPL", Side.BUY, quantity, price), book)


def _snapshot(price: float) -> Snapshot:
    """As a runtime sends it. Raises ValueError for what is no snapshot."""
    position = {"symbol": "AAPL", "quantity": 100, "mark": price, "average_price": _PRICE}
    return Snapshot.model_validate(
        {
            "account": "main",
            "equity": _EQUITY,
            "cash": _EQUITY - 100 * _PRICE,
            "positions": [position],
            "taken_at": utc_now().isoformat(),
        }
    )
