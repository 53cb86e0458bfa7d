"""What the runtime reports, on record: each report once, however often it is sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.contracts.reports import (
    FlatConfirmed,
    OrdersCancelled,
    PositionClosed,
    Report,
    TradeBlocked,
)
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.errors import AuditError
from risk_receivers.audit.event import AuditEvent
from risk_receivers.errors import NotYetError
from risk_receivers.kill import journal as kill_journal
from risk_receivers.kill.board import KillBoard
from risk_receivers.kill.switch import KillEvent, KillSwitch
from risk_receivers.reports import ids as report_ids
from risk_receivers.reports.ids import Claim
from risk_receivers.schema import to_text
from risk_receivers.store.writer import Transaction

_CONCERNED: Final = (
    "SELECT DISTINCT labels FROM incident AS i "
    "WHERE (state IN ('CREATED', 'DISPATCHED') OR last_seen_at >= ?) AND EXISTS ("
    "SELECT 1 FROM alert WHERE alert.risk_id = i.risk_id AND alert.tier = i.tier "
    "AND alert.episode = i.episode AND alert.feed = 'alerts')"
)
_RUNTIME: Final = ActorType.RUNTIME
_REUSED: Final = "the id was used for another report before; give every report an id of its own"


class Refusal(StrEnum):
    """Why a report was not recorded."""

    INVALID = "invalid"  # no such report can be recorded
    REUSED = "reused"  # its id is that of another report
    WRONG_KILL = "wrong_kill"  # it is about a kill that is not in force


@dataclass(frozen=True, slots=True)
class Rejected:
    """A report that was not recorded, and why."""

    id: str
    error: str
    reason: Refusal


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch."""

    recorded: int
    duplicates: int
    rejected: tuple[Rejected, ...]


def take_reports(
    transaction: Transaction, reports: tuple[Report, ...], is_coming: Callable[[str], bool]
) -> Taken:
    """Record every report that is new. One that cannot be recorded costs the others nothing.

    ``is_coming`` says of a kill whether it is on its way to the record. The runtime obeys the gate,
    which may have closed without the store: to refuse its word then would be the last one about it.
    Raises NotYetError, and nothing is recorded.
    """
    recorded = duplicates = 0
    rejected: list[Rejected] = []
    for report in reports:
        state = kill_journal.load(transaction.connection)
        if isinstance(report, FlatConfirmed) and state.with_id(report.kill_id) is None:
            if is_coming(report.kill_id):
                raise NotYetError(f"kill {report.kill_id} is not on record yet")
            rejected.append(Rejected(report.id, _wrong_kill(state), Refusal.WRONG_KILL))
            continue
        match report_ids.claim(transaction.connection, report, transaction.now):
            case Claim.KNOWN:
                duplicates += 1
            case Claim.REUSED | Claim.REUSED_AGAIN as claim:
                if claim is Claim.REUSED:
                    transaction.append(_reused(report))
                rejected.append(Rejected(report.id, _REUSED, Refusal.REUSED))
            case Claim.NEW:
                try:
                    seq = transaction.append(_event(report, state))
                except AuditError as error:  # it cannot be written down, and nothing was
                    report_ids.release(transaction.connection, report)
                    rejected.append(Rejected(report.id, str(error), Refusal.INVALID))
                    continue
                for change in _kill_events(transaction, report, state):
                    kill_journal.write(transaction.connection, change, seq)
                recorded += 1
    return Taken(recorded, duplicates, tuple(rejected))


def _reused(report: Report) -> AuditEvent:
    return AuditEvent(
        EventType.REPORT_REFUSED,
        f"a {report.kind} report came under the id of another one, which stands as it was",
        severity=Severity.WARNING,
        category=Category.SECURITY,
        details={
            "account": report.account,
            "report_id": report.id,
            "kind": report.kind,
            "sha256": report_ids.digest(report),
        },
        action_taken="refused",
        action_reason=_REUSED,
        actor_type=_RUNTIME,
        actor_id=report.account,
    )


def _wrong_kill(state: KillBoard) -> str:
    if not (in_force := [one.kill_id for one in state.in_force]):
        return "the kill switch is not tripped; there is nothing to confirm"
    if len(in_force) == 1:
        return f"kill_id must be {in_force[0]}, the kill that is in force"
    return f"kill_id must be one of {', '.join(in_force)}, the kills that are in force"


def _kill_events(transaction: Transaction, report: Report, state: KillBoard) -> Iterator[KillEvent]:
    now, account = transaction.now, report.account
    if isinstance(report, TradeBlocked):
        for one in state.concerning(_About(account=account, symbol=report.symbol)):
            if event := one.on_account(account, now):
                yield event
        return
    kill = state.with_id(report.kill_id)
    if kill is None:
        return
    match report:
        case FlatConfirmed():
            for concerned in _concerned(transaction, kill):
                if concerned != account and (event := kill.on_account(concerned, now)):
                    yield event
            event = kill.on_flat(report.kill_id, account, now)
        case OrdersCancelled():  # one after the account was flat is the final sweep
            event = kill.on_closing(report.kill_id, account, now)
        case PositionClosed():
            event = kill.on_closing(report.kill_id, account, now, held_at=report.at)
        case _:
            assert_never(report)
    if event:
        yield event


@dataclass(frozen=True, slots=True)
class _About:
    """What a report or an alert tells of what it is about."""

    account: str = ""
    strategy: str = ""
    venue: str = ""
    sector: str = ""
    asset: str = ""
    symbol: str = ""


def _concerned(transaction: Transaction, kill: KillSwitch) -> list[str]:
    """Accounts that the alert feed has told of since the trip, and that the kill may cover.

    Those that report are known without it. Which others hold anything nobody can tell here; an
    alert about one says at least that somebody watches it.
    """
    if kill.since is None:
        return []
    rows = transaction.connection.execute(_CONCERNED, (to_text(kill.since),))
    accounts = dict.fromkeys(json.loads(labels).get("account") for (labels,) in rows)
    return [
        account
        for account in accounts
        if isinstance(account, str) and account and kill.scope.may_cover(_About(account))
    ]


def _limit(report: TradeBlocked) -> dict[str, JsonValue]:
    """The pre-trade limit that refused an order, with its figures; nothing if it was the gate."""
    figures = {"limit": report.limit, "value": report.value, "threshold": report.threshold}
    return {name: figure for name, figure in figures.items() if figure}


def _event(report: Report, state: KillBoard) -> AuditEvent:
    details: dict[str, JsonValue] = {
        "account": report.account,
        "report_id": report.id,
        "reported_at": to_text(report.at),
        "market_date": report.market_date,
    }
    match report:
        case TradeBlocked():
            return AuditEvent(
                EventType.TRADE_BLOCKED,
                f"order refused: {report.side} {report.quantity} {report.symbol} "
                f"at {report.price}: {report.reason}",
                severity=Severity.WARNING,
                category=Category.EXECUTION,
                trade_id=report.trade_id,
                details={
                    **details,
                    "symbol": report.symbol,
                    "side": report.side,
                    "quantity": report.quantity,
                    "price": report.price,
                    "gate_version": report.gate_version,
                    **_limit(report),
                },
                action_taken="order refused",
                action_reason=report.reason,
                actor_type=_RUNTIME,
                actor_id=report.account,
            )
        case OrdersCancelled():
            count = len(report.order_ids)
            return AuditEvent(
                EventType.ORDERS_CANCELLED,
                f"{count} working order{'' if count == 1 else 's'} cancelled"
                f"{' in the final sweep' if report.final else ''}",
                severity=Severity.WARNING,
                category=Category.KILL_SWITCH,
                details={
                    **details,
                    **_kill(report.kill_id, state),
                    "order_ids": list(report.order_ids),
                    "final": report.final,
                },
                action_taken="orders cancelled",
                action_reason=_reason(report.kill_id, state),
                actor_type=ActorType.KILL_SWITCH,
                actor_id=report.kill_id,
            )
        case PositionClosed():
            return AuditEvent(
                EventType.POSITION_FORCE_CLOSED,
                f"position closed: {report.quantity} {report.symbol} at {report.price}",
                severity=Severity.CRITICAL,
                category=Category.KILL_SWITCH,
                position_id=report.position_id,
                details={
                    **details,
                    **_kill(report.kill_id, state),
                    "symbol": report.symbol,
                    "quantity": report.quantity,
                    "price": report.price,
                },
                action_taken="position closed",
                action_reason=_reason(report.kill_id, state),
                actor_type=ActorType.KILL_SWITCH,
                actor_id=report.kill_id,
            )
        case FlatConfirmed():
            return AuditEvent(
                EventType.KILL_SWITCH_FLAT_CONFIRMED,
                f"account {report.account} is flat{_within(report.kill_id, state)}: "
                "nothing open, nothing working",
                severity=Severity.WARNING,
                category=Category.KILL_SWITCH,
                details={**details, **_kill(report.kill_id, state)},
                action_taken="flat confirmed",
                action_reason=_reason(report.kill_id, state),
                actor_type=_RUNTIME,
                actor_id=report.account,
            )
        case _:
            assert_never(report)


def _kill(kill_id: str, state: KillBoard) -> dict[str, JsonValue]:
    """Which kill a report is about, what that covers, and whether it is in force."""
    kill = state.with_id(kill_id)
    scope = {} if kill is None else {"scope": str(kill.scope)}
    return {"kill_id": kill_id, "kill_in_force": kill is not None, **scope}


def _reason(kill_id: str, state: KillBoard) -> str:
    kill = state.with_id(kill_id)
    return f"kill switch: {kill.cause}" if kill else ""


def _within(kill_id: str, state: KillBoard) -> str:
    kill = state.with_id(kill_id)
    return "" if kill is None or kill.scope.is_everything else f" within {kill.scope}"
