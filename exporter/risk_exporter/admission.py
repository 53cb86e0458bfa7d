"""Whether a snapshot may be taken in: time never goes back, nothing comes from the future.

One tolerance holds for all clocks: the age from which a snapshot counts as stale. A clock further
off than that could not tell a fresh snapshot from a stale one anyway.

Equal times are not backwards: a repeated snapshot is taken in again and changes nothing, and
one that corrects another of the same instant replaces it. After a restart only ``taken_at``
must not go back: a replay that is restarted repeats its last market day.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from risk_exporter.errors import Refusal, SnapshotRefusedError
from risk_exporter.memory import AccountState
from risk_policy.contracts.snapshot import Snapshot


def admit(
    snapshot: Snapshot,
    known: AccountState | None,
    *,
    market_time_latest: datetime | None,
    now: datetime,
    tolerance: timedelta,
) -> None:
    """Return if the snapshot may be taken in.

    Args:
        known: what is remembered of the account.
        market_time_latest: the market time reached since the exporter was started.
        tolerance: how far ``taken_at`` may lie ahead of ``now``, and ``market_time`` and events
            ahead of ``taken_at``: clocks differ a little.

    Raises:
        SnapshotRefusedError: with the reason.
    """
    account = snapshot.account
    if snapshot.taken_at > now + tolerance:
        raise SnapshotRefusedError(
            Refusal.FROM_THE_FUTURE,
            "taken_at",
            f"{snapshot.taken_at.isoformat()} lies in the future; it is {now.isoformat()} here. "
            "Set the clock of the runtime or of this machine",
        )
    if snapshot.market_time > snapshot.taken_at + tolerance:
        raise SnapshotRefusedError(
            Refusal.FROM_THE_FUTURE,
            "market_time",
            f"{snapshot.market_time.isoformat()} lies after taken_at, "
            f"{snapshot.taken_at.isoformat()}, by more than the {tolerance.total_seconds():g} s "
            "that clocks may differ; no market has traded yet when its snapshot is taken, so send "
            "the time of the latest price, or leave market_time out",
        )
    for number, event in enumerate(snapshot.events):
        if event.at > snapshot.taken_at + tolerance:
            raise SnapshotRefusedError(
                Refusal.FROM_THE_FUTURE,
                f"events[{number}].at",
                f"{event.at.isoformat()} lies after taken_at, {snapshot.taken_at.isoformat()}; "
                "send the wall clock's time of what has happened, also in a replay",
            )
    if known is None:
        return
    if snapshot.currency != known.currency:
        raise SnapshotRefusedError(
            Refusal.CURRENCY_CHANGED,
            "currency",
            f"account {account} is kept in {known.currency}, so amounts in {snapshot.currency} "
            "cannot be compared with its peak; use another account name for them",
        )
    # A latest snapshot from the future was taken before the clock was put right; time starts
    # again then, or nothing would be taken in until the clock has caught up.
    if snapshot.taken_at < known.taken_at_last <= now + tolerance:
        raise SnapshotRefusedError(
            Refusal.TAKEN_AT_BACKWARDS,
            "taken_at",
            f"{snapshot.taken_at.isoformat()} is older than the latest snapshot of account "
            f"{account}, {known.taken_at_last.isoformat()}; send snapshots in order",
        )
    # The same holds for market time: what no snapshot could carry by now came from a wrong clock.
    latest = market_time_latest
    if latest and snapshot.market_time < latest <= snapshot.taken_at + tolerance:
        raise SnapshotRefusedError(
            Refusal.MARKET_TIME_BACKWARDS,
            "market_time",
            f"{snapshot.market_time.isoformat()} is before the market time of account {account}, "
            f"{latest.isoformat()}; market time must not go back",
        )
