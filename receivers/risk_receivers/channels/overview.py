"""How every channel fares: what it confirmed, what it owes, what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from risk_policy.model.channels import Channels
from risk_receivers.channels.dead_letters import lost_by_channel
from risk_receivers.channels.outbox import owed_since
from risk_receivers.channels.standing import Standing
from risk_receivers.database.connection import Connection
from risk_receivers.schema import from_text
from risk_receivers.shapes.channels import Channel


def overview(
    channels: Channels,
    standings: Mapping[str, Standing],
    connection: Connection,
    now: datetime,
) -> list[Channel]:
    """All channels in the order of the policy; of those that are off only what is left over."""
    lost = lost_by_channel(connection)
    found: list[Channel] = []
    for name in channels.names():
        standing = standings.get(name)
        if standing is None:
            found.append({"name": name, "enabled": False, "dead_letters": lost.get(name, 0)})
            continue
        settings = getattr(channels, name)
        waiting, since = owed_since(connection, name)
        age = (now - from_text(since)).total_seconds() if since else None
        confirmed = standing.confirmed_at or _confirmed(connection, name)
        found.append(
            {
                "name": name,
                "enabled": True,
                "up": standing.up,
                "late": age is not None and age > settings.deadline_seconds,
                "min_severity": settings.min_severity.value,
                "fallback": list(settings.fallback),
                "deadline_seconds": settings.deadline_seconds,
                "confirmed_at": confirmed.isoformat() if confirmed else None,
                "error": standing.error or None,
                "failed_at": standing.failed_at.isoformat() if standing.failed_at else None,
                "waiting": waiting,
                "oldest_seconds": None if age is None else round(age, 3),
                "dead_letters": lost.get(name, 0),
            }
        )
    return found


def _confirmed(connection: Connection, channel: str) -> datetime | None:
    """When a channel confirmed a message last, before this process was there."""
    (at,) = connection.execute(
        "SELECT max(delivered_at) FROM message WHERE channel = ?", (channel,)
    ).fetchone()
    return from_text(at) if at else None
