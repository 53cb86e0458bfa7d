"""By what the trigger of an alert is known on record: its incident, its name and what it covers.

Several alerts may be about one incident, and under another policy one is about another scope.
"""

from __future__ import annotations

from risk_policy.contracts.scope import Scope
from risk_receivers.database.connection import Connection
from risk_receivers.incidents.lifecycle import Incident
from risk_receivers.intake.alert import Alert
from risk_receivers.kill.automatic import Automatic
from risk_receivers.kill.trip import AlertKill, SpooledTrip


def alert_key(incident: Incident, alert: Alert, scope: Scope) -> str:
    """The key of an alert's trigger."""
    return f"incident:{incident.id}:{_named(alert, scope)}"


def is_repeat(connection: Connection, trip: SpooledTrip, automatic: Automatic) -> bool:
    """Whether a trip by an alert has been recorded since it was kept aside, whoever heard it then.

    What waits of it says nothing of whether it still fires. Taken in once it is over and cleared,
    it would trip again. Which episode was recorded makes no difference: a later one tells of more.
    """
    if not isinstance(trip.kill, AlertKill) or trip.known is None:
        return False
    alert = trip.kill.alert
    before = f"incident:{alert.risk_id}:{alert.tier or 'none'}:"
    named = _named(alert, automatic.scope_of(alert))
    found = connection.execute(
        "SELECT trigger_key FROM kill_event WHERE trigger_key IS NOT NULL AND audit_seq > ?",
        (trip.known,),
    )
    for (key,) in found:
        episode, _, name = key.removeprefix(before).partition(":")
        # Behind an @ stands how often it began anew.
        if key.startswith(before) and episode.isdigit() and name.partition("@")[0] == named:
            return True
    return False


def _named(alert: Alert, scope: Scope) -> str:
    return alert.alertname if scope.is_everything else f"{alert.alertname} {scope}"
