"""Every table of the store: what of it is over and may go, or why none of it ever does.

Nothing goes that is open, owed or unseen, and nothing by which something known would pass for
new. The latest episode of a breach stays, for it carries the number that the next one continues:
an incident's id, and with it the key of a kill's trigger, must never come again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from risk_receivers.channels.message import Kind
from risk_receivers.database.connection import Connection
from risk_receivers.schema import to_text

Key = tuple[str | int, ...]

#: Messages that belong to no incident. Those of a kill stay as long as the kill, for ever.
FREE_KINDS: Final = (
    Kind.SILENCE_TOO_BROAD,
    Kind.QUARANTINED,
    Kind.KILL_UNCONFIRMED,
    Kind.RESTRICTION,
    Kind.FEED_SILENT,
    Kind.FEED_HEARD,
    Kind.STORM,
    Kind.DIGEST,
    Kind.REPORT,
)
KILL_KINDS: Final = (
    Kind.KILL_SWITCH,
    Kind.KILL_SWITCH_TIGHTENED,
    Kind.KILL_SWITCH_CHANGED,
    Kind.TAMPERED,
)
_FREE: Final = ", ".join(repr(kind.value) for kind in FREE_KINDS)
_ID: Final = (
    "i.risk_id || ':' || CASE i.tier WHEN '' THEN 'none' ELSE i.tier END || ':' || i.episode"
)


@dataclass(frozen=True, slots=True)
class Prunable:
    """One table.

    Attributes:
        key: what tells its rows apart.
        held: the table, with the name that the conditions use.
        over: whether a row may go at all; whatever its age.
        age: since when it is over.
        beside: what goes with a row, by its key; the row itself is the last.
        least: how long a row stays, whatever the policy says.
        is_capped: whether ``max_events`` counts its rows.
    """

    name: str
    key: tuple[str, ...]
    held: str
    over: str
    age: str
    beside: tuple[str, ...]
    least: timedelta = timedelta(days=1)
    is_capped: bool = False

    def count(self, connection: Connection) -> int:
        """How many rows there are."""
        return int(connection.execute(f"SELECT count(*) FROM {self.name}").fetchone()[0])  # noqa: S608

    def due(self, connection: Connection, before: datetime, limit: int) -> list[Key]:
        """The keys of rows that were over before a time, the oldest first."""
        rows = connection.execute(
            f"SELECT {', '.join(self.key)} FROM {self.held} "  # noqa: S608 - constants
            f"WHERE {self.over} AND {self.age} < ? ORDER BY {self.age} LIMIT ?",
            (to_text(before), limit),
        )
        return rows.fetchall()

    def remove(self, connection: Connection, keys: Sequence[Key], before: datetime) -> int:
        """Delete those that may still go; how many that were."""
        is_it = " AND ".join(f"{column} = ?" for column in self.key)
        still = (
            f"SELECT 1 FROM {self.held} "  # noqa: S608 - constants
            f"WHERE {is_it} AND {self.over} AND {self.age} < ?"
        )
        removed = 0
        for key in keys:
            if connection.execute(still, (*key, to_text(before))).fetchone() is None:
                continue
            for statement in self.beside:
                connection.execute(statement, key)
            removed += 1
        return removed


#: Dead letters stay until another channel has told people instead, or somebody dealt with them.
_NOTHING_OWED: Final = (
    f"NOT EXISTS (SELECT 1 FROM message WHERE subject = {_ID} "  # noqa: S608
    "AND (delivered_at IS NULL OR id IN (SELECT id FROM dead_message)) "
    "AND id NOT IN (SELECT id FROM dealt_with))"
)
_NOTHING_HELD: Final = (
    "NOT EXISTS (SELECT 1 FROM announcement held WHERE held.risk_id = i.risk_id "
    "AND held.tier = i.tier AND held.episode = i.episode AND held.told_at IS NULL)"
)
_NOT_THE_LATEST: Final = (
    "EXISTS (SELECT 1 FROM incident later WHERE later.risk_id = i.risk_id "
    "AND later.tier = i.tier AND later.episode > i.episode)"
)
_THIS: Final = "risk_id = ?1 AND tier = ?2 AND episode = ?3"
_OF_THIS: Final = "?1 || ':' || CASE ?2 WHEN '' THEN 'none' ELSE ?2 END || ':' || ?3"

PRUNABLE: Final = (
    Prunable(
        "incident",
        key=("i.risk_id", "i.tier", "i.episode"),
        held="incident i",
        over=f"i.state IN ('RESOLVED', 'EXPIRED') AND {_NOT_THE_LATEST} AND {_NOTHING_OWED} "
        f"AND {_NOTHING_HELD}",
        age="i.last_seen_at",
        beside=(
            f"DELETE FROM message WHERE subject = {_OF_THIS}",  # noqa: S608 - constants
            f"DELETE FROM alert WHERE {_THIS}",  # noqa: S608
            f"DELETE FROM announcement WHERE {_THIS}",  # noqa: S608
            f"DELETE FROM incident WHERE {_THIS}",  # noqa: S608
        ),
        is_capped=True,
    ),
    Prunable(
        "message",
        key=("id",),
        held="message",
        over="(delivered_at IS NOT NULL AND id NOT IN (SELECT id FROM dead_message) "  # noqa: S608
        f"OR id IN (SELECT id FROM dealt_with)) AND kind IN ({_FREE})",
        age="coalesce(delivered_at, created_at)",
        beside=("DELETE FROM message WHERE id = ?",),
        is_capped=True,
    ),
    Prunable(
        "silence",
        key=("id",),
        held="silence",
        over="ended_at IS NOT NULL",
        age="ended_at",
        beside=("DELETE FROM silence WHERE id = ?",),
        # Alertmanager lists one that is over for five days unless it is told otherwise, and what
        # it lists and nobody here knows passes for new.
        least=timedelta(days=30),
    ),
    Prunable(
        "quarantine",
        key=("feed", "digest"),
        held="quarantine",
        over="TRUE",
        age="last_at",
        beside=("DELETE FROM quarantine WHERE feed = ? AND digest = ?",),
        is_capped=True,
    ),
    Prunable(
        "doubted_kill",
        key=("trigger_key",),
        held="doubted_kill",
        over="(told = 1 OR EXISTS "
        "(SELECT 1 FROM kill_event WHERE kill_event.trigger_key = doubted_kill.trigger_key))",
        age="first_at",
        beside=("DELETE FROM doubted_kill WHERE trigger_key = ?",),
    ),
    Prunable(
        "report",
        key=("id",),
        held="report_at",
        over="TRUE",
        age="at",
        beside=(
            "DELETE FROM report WHERE id = ?",
            "DELETE FROM report_content WHERE id = ?",
            "DELETE FROM report_at WHERE id = ?",
        ),
        is_capped=True,
    ),
)
#: Tables without a rule of their own, and why.
KEPT: Final = {
    "alert": "goes with its incident",
    "announcement": "goes with its incident",
    "storm": "one row for each storm: a few",
    "incident_alert": "belongs to the latest episode of each breach",
    "report_content": "goes with its report",
    "report_at": "goes with its report",
    "slack_press": "goes as soon as it is done",
    "placed_buttons": "is made for older databases alone, and dropped at once",
    "placed_button": "goes with its buttons; some hundred at most",
    "message_attempt": "goes as its message is confirmed",
    "dead_message": "goes with its message, once somebody has dealt with it",
    "dealt_with": "goes with its message",
    "takeover": "goes with its message",
    "urgent_message": "goes with its message",
    "restriction": "goes as it is lifted",
    "kill_event": "a kill is never forgotten",
    "kill_event_account": "a kill is never forgotten",
    "kill_event_scope": "a kill is never forgotten",
    "merged_trip": "one for each trip that could not be recorded at once: hardly ever any",
    "given_token": "whose a name on record was is never forgotten: a few for each person and year",
    "person": "goes as the user is removed",
    "seen_address": "some hundred of each name at most; what was not seen for longest goes",
    "fact": "a few",
}
