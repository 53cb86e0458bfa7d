"""The table of silences, and what acknowledgements need to know of incidents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from risk_receivers.acks.silences import Breach, Matcher, risk_id_label
from risk_receivers.acks.state import Muting, Standing
from risk_receivers.database.connection import Connection
from risk_receivers.schema import from_text, optional_text, optional_time, to_text

#: Rules look back for one hour to find the end of an acknowledgement (with
#: `last_over_time(risk_ack_until_seconds[1h])`): one that was taken back has to be exported as
#: over for longer than that, or its old end would be found again.
_SHOWN_AFTER: Final = timedelta(hours=2)
_COLUMNS: Final = (
    "id, standing, matchers, starts_at, ends_at, author, comment, risk_id, tiers, incident, "
    "made_at, extend_until, ended_at, excess"
)
_decode_texts = msgspec.json.Decoder(dict[str, str]).decode
#: As it is written in an id, and in no other way: each incident has one id.
_EPISODE: Final = re.compile("[1-9][0-9]{0,17}")
_SELECT: Final = f"SELECT {_COLUMNS} FROM silence "  # noqa: S608 - constants
_REPLACE: Final = (
    f"INSERT INTO silence ({_COLUMNS}) "  # noqa: S608 - constants
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", ")[1:])
)
_MOST_COLONS: Final = 20
_OPEN: Final = (
    # Literals: with values of its own SQLite would not use the index of open ones.
    "SELECT risk_id, tier, episode, labels FROM incident WHERE state IN ('CREATED', 'DISPATCHED')"
)


def one(connection: Connection, silence_id: str) -> Muting | None:
    """One silence on record."""
    row = connection.execute(f"{_SELECT}WHERE id = ?", (silence_id,)).fetchone()
    return _muting(row) if row else None


def standing(connection: Connection) -> list[Muting]:
    """The silences that are not over, in the order in which they were made."""
    rows = connection.execute(f"{_SELECT}WHERE ended_at IS NULL ORDER BY made_at, id")
    return [_muting(row) for row in rows]


def latest(connection: Connection, limit: int) -> list[Muting]:
    """Silences that were made last, first."""
    rows = connection.execute(f"{_SELECT}ORDER BY made_at DESC, id LIMIT ?", (limit,))
    return [_muting(row) for row in rows]


def covering(connection: Connection, risk_id: str, tier: str) -> list[Muting]:
    """The acknowledgements of a breach that hold, the one that holds longest last."""
    rows = connection.execute(
        f"{_SELECT}WHERE ended_at IS NULL AND risk_id = ? ORDER BY ends_at", (risk_id,)
    )
    return [one for row in rows if (one := _muting(row)).acknowledges and tier in one.tiers]


def answered_since(
    connection: Connection, risk_id: str, tier: str, since: datetime, *, but: str
) -> bool:
    """Whether any acknowledgement of a breach, other than one, was made since then."""
    rows = connection.execute(
        f"{_SELECT}WHERE risk_id = ? AND made_at >= ? AND id != ?",
        (risk_id, to_text(since), but),
    )
    asked = (Standing.REQUESTED, Standing.FAILED)  # those never came to be
    return any(tier in one.tiers and one.standing not in asked for one in map(_muting, rows))


def breach_of(connection: Connection, incident: str) -> tuple[str, str] | None:
    """The ``risk_id`` and the tier of an incident, open or over."""
    rest, _, episode = incident.rpartition(":")
    if not _EPISODE.fullmatch(episode):
        return None
    parts = rest.split(":")
    # Tiers of ours are plain words; where somebody else's holds a colon, each is tried.
    for words in range(1, min(len(parts), _MOST_COLONS)):
        risk_id, tier = ":".join(parts[:-words]), ":".join(parts[-words:])
        found: tuple[str, str] | None = connection.execute(
            "SELECT risk_id, tier FROM incident WHERE risk_id = ? AND tier = ? AND episode = ?",
            (risk_id, "" if tier == "none" else tier, int(episode)),
        ).fetchone()
        if found:
            return found
    return None


def keep(connection: Connection, muting: Muting) -> None:
    """Write what is known of a silence."""
    connection.execute(
        _REPLACE,
        (
            muting.id,
            muting.standing.value,
            json.dumps([[m.name, m.value, m.is_regex, m.is_equal] for m in muting.matchers]),
            to_text(muting.starts_at),
            to_text(muting.ends_at),
            muting.author,
            muting.comment,
            muting.risk_id,
            json.dumps(muting.tiers, ensure_ascii=False),
            muting.incident,
            to_text(muting.made_at),
            optional_text(muting.extend_until),
            optional_text(muting.ended_at),
            json.dumps(muting.excess),
        ),
    )


def forget(connection: Connection, silence_id: str) -> None:
    """Drop a row whose silence goes on under another id."""
    connection.execute("DELETE FROM silence WHERE id = ?", (silence_id,))


def open_breaches(connection: Connection) -> list[Breach]:
    """Every incident that is open."""
    return [
        Breach(risk_id, tier, _decode_texts(labels), f"{risk_id}:{tier or 'none'}:{episode}")
        for risk_id, tier, episode, labels in connection.execute(_OPEN)
    ]


def held_until(connection: Connection, now: datetime) -> dict[tuple[str, str], datetime]:
    """Until when each (risk_id, tier), as labels have them, is acknowledged; past if lately."""
    rows = connection.execute(
        f"{_SELECT}WHERE tiers != '[]' AND (ended_at IS NULL OR ended_at > ?)",
        (to_text(now - _SHOWN_AFTER),),
    )
    return _ends(map(_muting, rows))


def _ends(mutings: Iterable[Muting]) -> dict[tuple[str, str], datetime]:
    ends: dict[tuple[str, str], datetime] = {}
    for muting in mutings:
        if muting.standing in (Standing.REQUESTED, Standing.FAILED, Standing.PENDING):
            continue
        end = muting.ended_at or muting.ends_at
        for tier in muting.tiers:
            key = (risk_id_label(muting.matchers) or "", tier)
            ends[key] = max(end, ends.get(key, end))
    return ends


def _muting(row: tuple[str, ...]) -> Muting:
    return Muting(
        id=row[0],
        standing=Standing(row[1]),
        matchers=tuple(
            Matcher(name, value, is_regex=is_regex, is_equal=is_equal)
            for name, value, is_regex, is_equal in json.loads(row[2])
        ),
        starts_at=from_text(row[3]),
        ends_at=from_text(row[4]),
        author=row[5],
        comment=row[6],
        tiers=tuple(json.loads(row[8])),
        incident=row[9],
        made_at=from_text(row[10]),
        extend_until=optional_time(row[11]),
        ended_at=optional_time(row[12]),
        excess=tuple(json.loads(row[13])),
    )
