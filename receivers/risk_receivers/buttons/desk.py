"""What becomes of a press: an acknowledgement by the function that gives all of them.

A press may arrive twice, and two people may press at a time. Who presses wants it to be taken
on; so where that is done already nothing is done again, and they are told by whom.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from risk_policy.clock import utc_now
from risk_policy.model.escalation import Acknowledgement
from risk_receivers.acks import table
from risk_receivers.acks.errors import (
    AlertmanagerError,
    AlreadyAcknowledgedError,
    BusyError,
    NotAcknowledgedError,
    NothingToAcknowledgeError,
    TooLongError,
)
from risk_receivers.acks.keeper import AckKeeper, Also
from risk_receivers.acks.silences import one_line
from risk_receivers.acks.state import Muting, Standing
from risk_receivers.audit.tables import open_read_only
from risk_receivers.channels.buttons import (
    Ask,
    Button,
    Buttons,
    digest_of_incident,
    lasting,
    to_acknowledge,
)
from risk_receivers.database.place import Place

#: A name is for people; who it was is told by the id before it.
_LONGEST_NAME: Final = 60
_ON_THE_COMMAND_LINE: Final = "use riskwarden ack"
_UNSURE: Final = "It may not be acknowledged: look with riskwarden acks, or try again."


class Verdict(StrEnum):
    """What became of a press."""

    ACKNOWLEDGED = "acknowledged"
    ALREADY = "already"  # somebody had acknowledged it
    TAKEN_BACK = "taken_back"
    NOT_ACKNOWLEDGED = "not_acknowledged"  # there was nothing to take back
    OVER = "over"
    STALE = "stale"  # no button of these receivers, or of their message
    REFUSED = "refused"  # not by this user, or not here
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Presser:
    """Who presses: a name that nobody else has, and how people call them."""

    id: str
    name: str

    @property
    def author(self) -> str:
        """How they go on record; what they call themselves cannot pass for the id."""
        return f"{self.id} {one_line(self.name)[:_LONGEST_NAME]}".strip()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a press, in words.

    Attributes:
        said: for who pressed.
        status: for everybody who reads the message; None leaves it as it is, buttons and all.
        buttons: what the message offers from now on.
    """

    verdict: Verdict
    said: str
    status: str | None = None
    buttons: tuple[Button, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether things are as they were asked to be."""
        return self.verdict in (Verdict.ACKNOWLEDGED, Verdict.ALREADY, Verdict.TAKEN_BACK)


STALE: Final = Outcome(
    Verdict.STALE,
    f"This button is not, or no longer, one of these receivers: {_ON_THE_COMMAND_LINE}.",
)
REFUSED: Final = Outcome(
    Verdict.REFUSED,
    "You may not acknowledge here: ask whoever keeps the policy. This is on record.",
)


class Desk:
    """Takes presses, from wherever they come. Thread-safe."""

    def __init__(
        self,
        keeper: AckKeeper,
        buttons: Buttons,
        *,
        database: Place,
        terms: Acknowledgement,
        via: str,
    ) -> None:
        """``via`` says on record how it was pressed, e.g. "Telegram button"."""
        self._keeper = keeper
        self._buttons = buttons
        self._database = database
        self._terms = terms
        self._via = via

    def take(
        self,
        data: str,
        presser: Presser,
        *,
        shown: Collection[str] = (),
        also: Also | None = None,
    ) -> Outcome:
        """Do what a button asks for; ``also`` goes on record with it.

        ``shown`` is what the buttons are known by that the message carries now. They may have
        changed since it was looked at, but are about one message: nobody presses under one
        what belongs under another.

        Raises:
            StoreError, OSError, DATABASE_ERRORS: nothing may be on record; the same press can be
                taken again.
        """
        pressed = self._buttons.read(data)
        beside = [one for other in shown if (one := self._buttons.read(other))]
        if pressed is None or (shown and all(one.message != pressed.message for one in beside)):
            return STALE
        incident = self._incident(pressed.incident)
        if incident is None:
            return Outcome(Verdict.OVER, "It is over.", "Over, and not acknowledged.")
        try:
            if pressed.ask is Ask.BACK:
                verdict, said, status = self._take_back(incident, presser)
            else:
                verdict, said, status = self._give(incident, pressed.ask, presser, also)
        except (AlertmanagerError, BusyError) as error:
            return Outcome(Verdict.FAILED, f"{_UNSURE} {error}")
        except TooLongError as error:
            return Outcome(Verdict.FAILED, str(error))
        return Outcome(
            verdict,
            said,
            status,
            self._buttons.made(self.offers((incident,))[incident], incident, pressed.message),
        )

    def _give(
        self, incident: str, ask: Ask, presser: Presser, also: Also | None
    ) -> tuple[Verdict, str, str]:
        self._settle(incident)
        try:
            given = self._keeper.give(
                incident, lasting(ask), presser.author, f"by {self._via}", once=True, also=also
            )
        except AlreadyAcknowledgedError as error:
            holds = _holds(error.holds)
            return Verdict.ALREADY, f"Already acknowledged {holds}.", f"Acknowledged {holds}."
        except NothingToAcknowledgeError:
            return Verdict.OVER, "It is over.", "Over."
        return (
            Verdict.ACKNOWLEDGED,
            f"Acknowledged {_until(given)}.",
            f"Acknowledged {_holds(given)}.",
        )

    def _take_back(self, incident: str, presser: Presser) -> tuple[Verdict, str, str]:
        with closing(open_read_only(self._database)) as connection:
            breach = table.breach_of(connection, incident)
        nothing = "It is not acknowledged any more."
        if breach is None:  # gone since it was found
            return Verdict.NOT_ACKNOWLEDGED, nothing, nothing
        try:
            self._keeper.take_back(*breach, presser.author, f"by {self._via}")
        except NotAcknowledgedError:
            return Verdict.NOT_ACKNOWLEDGED, nothing, nothing
        said = "Taken back: people are told of it again while it goes on."
        at = _moment(utc_now())
        return Verdict.TAKEN_BACK, said, f"Taken back by {presser.author} at {at}: nobody has it."

    def _settle(self, incident: str) -> None:
        """Learn what came of a request that was left in the middle, before another is made."""
        with closing(open_read_only(self._database)) as connection:
            standing = table.standing(connection)
        if any(one.standing is Standing.REQUESTED and one.incident == incident for one in standing):
            self._keeper.synchronise()

    def _incident(self, digest: bytes) -> str | None:
        """The incident that a button is about, if it is open or acknowledged."""
        with closing(open_read_only(self._database)) as connection:
            known = [one.incident for one in table.open_breaches(connection)]
            known += [one.incident for one in table.standing(connection)]
        return next((one for one in known if one and digest_of_incident(one) == digest), None)

    def offers(self, incidents: Iterable[str]) -> dict[str, Sequence[Ask]]:
        """What can be done about each of some incidents from here on."""
        found: dict[str, Sequence[Ask]] = {}
        with closing(open_read_only(self._database)) as connection:
            is_open = {one.incident for one in table.open_breaches(connection)}
            for incident in incidents:
                breach = table.breach_of(connection, incident)
                if breach is not None and table.covering(connection, *breach):
                    found[incident] = (Ask.BACK,)
                else:
                    found[incident] = to_acknowledge(self._terms) if incident in is_open else ()
        return found


def _holds(muting: Muting) -> str:
    return f"by {muting.author or 'nobody named'} {_until(muting)}"


def _until(muting: Muting) -> str:
    until = f"until {_moment(muting.ends_at)}"
    if muting.extend_until is not None and muting.extend_until > muting.ends_at:
        until += f", while it goes on until {_moment(muting.extend_until)} at most"
    return until


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
