"""The gates of every account's runtime: from the exporter that runs, and from what exporters keep.

What was told too long ago is unknown now. Where file and exporter disagree, both stand, each by
itself: the exporter that answers may be that of another stack.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from risk_exporter.errors import ExporterError
from risk_exporter.memory import AccountFolder
from risk_policy.catalogue import metrics as m
from risk_policy.contracts.gating import FLAGS, LiveOrders, ToldGating, TradingEnvironment
from risk_policy.contracts.safety_snapshot_parts import AccountGates
from riskwarden.safety_snapshot.asking import Running, Sample
from riskwarden.safety_snapshot.sources import Sources, reason_of

#: What is asked of an exporter.
WANTED: Final = frozenset(
    metric.name
    for metric in (
        m.TRADING_MODE_INFO,
        m.GATING_FLAG,
        m.SNAPSHOT_TIMESTAMP,
        m.ACCOUNT_INFO,
        m.EQUITY,
    )
)
#: Where the runtimes of a data folder have their exporter's memory.
_FOLDERS: Final = ("exporter", "*/exporter", "*/*/exporter")


@dataclass(frozen=True, slots=True)
class _Told:
    account: str
    gating: ToldGating | None
    at: datetime | None
    whence: tuple[str, ...]
    currency: str | None
    equity: float | None


def accounts(
    data: Path,
    extra: Iterable[Path],
    running: Running,
    stale_seconds: float,
    sources: Sources,
) -> tuple[AccountGates, ...]:
    """Every account that anybody knows.

    Args:
        data: the stack's folder.
        extra: folders of other exporters' memory.
        stale_seconds: how old a snapshot may be.
    """
    folders = [found for pattern in _FOLDERS for found in sorted(data.glob(pattern))]
    kept = [one for folder in (*folders, *extra) for one in _of_folder(folder, sources)]
    merged = _merged(kept, list(_of_exporter(running)), stale_seconds)
    ordered = sorted(merged, key=lambda one: (one.account, one.whence))
    return tuple(_judged(one, stale_seconds, sources) for one in ordered)


def _of_folder(folder: Path, sources: Sources) -> Iterator[_Told]:
    name = "runtime's memory"
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    except OSError as error:
        sources.unreadable(name, folder, reason_of(error))
        return
    for account in names:
        where = folder / account
        try:
            state = AccountFolder(where).load()
        except ExporterError:
            sources.unreadable(name, where, "it is damaged, or not for you to read")
            yield _Told(account, None, None, (str(where),), None, None)
            continue
        if state is not None:
            at = state.taken_at_last
            sources.read(name, where, at)
            yield _Told(account, state.gating, at, (str(where),), state.currency, state.equity_last)


def _of_exporter(running: Running) -> Iterator[_Told]:
    samples = running.samples.get("exporter", ())
    for told in _by_name(samples, m.SNAPSHOT_TIMESTAMP.name):
        account = told.labels.get("account", "")
        own = [one for one in samples if one.labels.get("account") == account]
        equity = next(_by_name(own, m.EQUITY.name), None)
        info = next(_by_name(own, m.ACCOUNT_INFO.name), None)
        yield _Told(
            account,
            _gating(own),
            _instant(told.value),
            (f"exporter at {running.exporter_at}",),
            info.labels.get("currency") if info else None,
            equity.value if equity and math.isfinite(equity.value) else None,
        )


def _gating(samples: Iterable[Sample]) -> ToldGating | None:
    """What an exporter shows of it; None if it is nothing that this version understands."""
    own = list(samples)
    mode = next(_by_name(own, m.TRADING_MODE_INFO.name), None)
    if mode is None or mode.labels.get("mode") not in {one.value for one in TradingEnvironment}:
        return None
    flags = {
        one.labels.get("flag", ""): one.value == 1.0 for one in _by_name(own, m.GATING_FLAG.name)
    }
    known = {name: value for name, value in flags.items() if name in FLAGS}
    return ToldGating.model_validate({"mode": TradingEnvironment(mode.labels["mode"]), **known})


def _merged(kept: list[_Told], shown: list[_Told], stale_seconds: float) -> Iterator[_Told]:
    """What both tell alike is one; an exporter writes down within moments what it shows."""
    left = list(shown)
    for one in kept:
        same = next((other for other in left if _agree(one, other, stale_seconds)), None)
        if same is None:
            yield one
        else:
            left.remove(same)
            newer = max(one, same, key=lambda told: told.at or datetime.min.replace(tzinfo=UTC))
            yield replace(newer, whence=(*one.whence, *same.whence))
    yield from left


def _agree(one: _Told, other: _Told, stale_seconds: float) -> bool:
    if one.account != other.account or one.at is None or other.at is None:
        return False
    # After a restart of the exporter what is remembered is kept, and not shown.
    is_remembered = other.gating is None and one.at == other.at
    is_near = abs((one.at - other.at).total_seconds()) <= stale_seconds
    return is_near and (one.gating == other.gating or is_remembered)


def _judged(told: _Told, stale_seconds: float, sources: Sources) -> AccountGates:
    age = None if told.at is None else sources.age(told.at)
    gating = told.gating
    # A clock that was ahead when it was told proves nothing either.
    is_ahead = told.at is not None and (told.at - sources.clock()).total_seconds() > stale_seconds
    is_current = age is not None and age <= stale_seconds and not is_ahead
    return AccountGates(
        account=told.account,
        told=gating,
        effective_mode=gating.effective_mode if gating else "unknown",
        live_orders=gating.live_orders if gating and is_current else LiveOrders.UNKNOWN,
        refusals=gating.refusals if gating else (),
        untold=gating.untold if gating else FLAGS,
        told_at=told.at,
        age_seconds=age,
        is_current=is_current,
        whence=told.whence,
        currency=told.currency,
        equity=told.equity,
    )


def _by_name(samples: Iterable[Sample], name: str) -> Iterator[Sample]:
    return (one for one in samples if one.name == name)


def _instant(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
