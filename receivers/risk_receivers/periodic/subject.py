"""What a report is written of: everything that was found out, gathered before a word is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from risk_receivers.audit.verifier import Verification
from risk_receivers.audit.verify import Progress
from risk_receivers.database.place import Place
from risk_receivers.periodic import facts, figures
from risk_receivers.periodic.figures import Totals
from risk_receivers.periodic.history import told as put_together
from risk_receivers.periodic.levels import Level, levels
from risk_receivers.periodic.measured import UNASKED, Measured, measure
from risk_receivers.periodic.period import Period
from risk_receivers.periodic.terms import Terms
from risk_receivers.periodic.told import Told


@dataclass(frozen=True, slots=True)
class Subject:
    """A period, and what is known of it.

    Attributes:
        made_at: when all this was found out.
        damaged: records that were left out because they are not what was written.
        unread: why the chain could not be read to its end; empty if it could.
    """

    period: Period
    made_at: datetime
    told: Told
    measured: Measured
    verification: Verification
    damaged: int
    unread: str
    levels: tuple[Level, ...]
    policy_digest: str

    @property
    def totals(self) -> Totals:
        """The counts of the period."""
        return figures.totals(self.told, self.period)

    @property
    def totals_before(self) -> Totals:
        """Those of as much time right before it."""
        return figures.totals(self.told, self.period.before)

    @property
    def knows_before(self) -> bool:
        """Whether that time is on record as a whole."""
        return self.told.first is not None and self.told.first <= self.period.before.start

    @property
    def is_trustworthy(self) -> bool:
        """Whether the chain is what was written, and was read to its end."""
        return self.verification.ok and not self.damaged and not self.unread


#: Told of each step: what is done, how much of it, and how much there is.
Steps = Callable[[str, int, int], None]


def gather(
    terms: Terms,
    database: Place,
    period: Period,
    *,
    made_at: datetime,
    prometheus: str = "",
    signing_key: Path | None = None,
    steps: Steps | None = None,
) -> Subject:
    """Find everything out; without a Prometheus's URL, from the chain alone.

    Beside the ``signing_key``, which is not opened, the signer keeps what it has signed last.

    Raises UnreadableDatabaseError.
    """

    def telling(what: str) -> Progress | None:
        return None if steps is None else partial(steps, what)

    chain = facts.verified(database, signing_key=signing_key, progress=telling("verifying"))
    # What is compared with, and what can have begun before and be decided in the period.
    since = period.start - timedelta(seconds=max(period.seconds, terms.longest_promise_seconds))
    told = chain.read(period.end, lambda found: put_together(found, since), telling("reading"))
    measured = measure(prometheus, period, terms.scrape_seconds) if prometheus else UNASKED
    return Subject(
        period=period,
        made_at=made_at,
        told=told,
        measured=measured,
        verification=chain.verification,
        damaged=chain.damaged,
        unread=chain.unread,
        levels=levels(told, period, measured, terms),
        policy_digest=terms.policy_digest,
    )
