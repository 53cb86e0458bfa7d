"""By what a trigger is known on record, and a kill that was begun where it could not be recorded.

An alert's is known by its incident, its name and what it covers: several alerts may be about one
incident, and under another policy one is about another scope.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final

from risk_policy.contracts.scope import Scope
from risk_receivers.database.connection import Connection
from risk_receivers.incidents.lifecycle import Incident
from risk_receivers.intake.alert import Alert
from risk_receivers.kill.automatic import Automatic
from risk_receivers.kill.board import own_id
from risk_receivers.kill.trip import AlertKill, OperatorKill, SpooledTrip
from risk_receivers.schema import from_text

#: That of who evaluated it, and of who recorded it. Nobody clears one and has it fire again sooner.
_CLOCKS_DIFFER: Final = timedelta(minutes=1)


def alert_key(incident: Incident, alert: Alert, scope: Scope) -> str:
    """The key of an alert's trigger."""
    return f"incident:{incident.id}:{_named(alert, scope)}"


def request_key(trip: SpooledTrip) -> str:
    """The key of what was asked for, or happened, by itself."""
    return f"request:{trip.id}"


def is_repeat(connection: Connection, trip: SpooledTrip, automatic: Automatic) -> bool:
    """Whether a trip by an alert has been recorded since it was kept aside, whoever heard it then.

    What waits of it says nothing of whether it still fires. Taken in once it is over and cleared,
    it would trip again. Which episode was recorded makes no difference, as long as it was after
    this one began: a later one tells of more. Who leads no more may know of so few records that an
    earlier one follows them.
    """
    return _recorded_as(connection, trip, automatic) is not None


def ids_on_record(
    connection: Connection, trips: Iterable[SpooledTrip], automatic: Automatic
) -> Mapping[str, str]:
    """Of the kills that such trips began where they were kept aside, the ids that they have on
    record, and by which they are cleared: another id if an alert was heard there, too, or if
    another kill was in force.
    """
    found = {}
    for trip in trips:
        match trip.kill:
            case AlertKill(alert):
                begun = own_id(trip.kill_id, automatic.scope_of(alert))
                recorded = _recorded_as(connection, trip, automatic)
            case OperatorKill():
                begun, recorded = trip.kill_id, _asked_as(connection, trip)
            case _:
                continue
        if recorded:
            found[begun] = recorded
    return found


def _asked_as(connection: Connection, trip: SpooledTrip) -> str | None:
    row = connection.execute(
        "SELECT kill_id FROM kill_event WHERE trigger_key = ?", (request_key(trip),)
    ).fetchone()
    return None if row is None else str(row[0])


def _recorded_as(connection: Connection, trip: SpooledTrip, automatic: Automatic) -> str | None:
    """The kill that a trip was last recorded with; empty if it tripped nothing, None if it never
    was.
    """
    if not isinstance(trip.kill, AlertKill) or trip.known is None:
        return None
    alert = trip.kill.alert
    before = f"incident:{alert.risk_id}:{alert.tier or 'none'}:"
    named = _named(alert, automatic.scope_of(alert))
    found = connection.execute(
        "SELECT trigger_key, kill_id, at FROM kill_event "
        "WHERE trigger_key IS NOT NULL AND audit_seq > ? ORDER BY n DESC",
        (trip.known,),
    )
    for key, kill_id, at in found:
        if not key.startswith(before) or from_text(at) < alert.starts_at - _CLOCKS_DIFFER:
            continue
        episode, _, name = key.removeprefix(before).partition(":")
        if episode.isdigit() and _is_named(name, named):
            return str(kill_id)
    return None


def _is_named(name: str, named: str) -> bool:
    # Behind an @ stands how often it began anew. An account may have one in its name.
    anew = name.removeprefix(f"{named}@")
    return name == named or (anew != name and anew.isdigit())


def _named(alert: Alert, scope: Scope) -> str:
    return alert.alertname if scope.is_everything else f"{alert.alertname} {scope}"
