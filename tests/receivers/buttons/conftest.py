"""What stands behind buttons: a store with an open incident, a keeper, and an Alertmanager."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from alertmanager_stand_in import AlertmanagerStandIn
from writers import started

from risk_policy import Policy, default_policy_path, load_policy
from risk_policy.clock import utc_now
from risk_policy.model.escalation import Acknowledgement
from risk_policy.vocabulary import KillMode, Severity
from risk_receivers.acks import table
from risk_receivers.acks.client import AlertmanagerClient
from risk_receivers.acks.keeper import AckKeeper
from risk_receivers.acks.state import Muting
from risk_receivers.audit.query import StoredEvent, events
from risk_receivers.audit.tables import open_read_only
from risk_receivers.buttons.desk import Desk
from risk_receivers.channels.buttons import Buttons
from risk_receivers.channels.outbox import Outbox
from risk_receivers.intake.alert import Feed
from risk_receivers.intake.parse import Parser
from risk_receivers.kill.automatic import Automatic
from risk_receivers.ledger import Ledger
from risk_receivers.quiet.telling import Teller
from risk_receivers.quiet.terms import Terms
from risk_receivers.refusals import Refusals
from risk_receivers.restrictions.recording import Restricting
from risk_receivers.security.opening import open_monitor
from risk_receivers.store.writer import Writer
from risk_receivers.telemetry import Telemetry

WARNING = "drawdown/main:warning:1"
TERMS = Acknowledgement(default_minutes=120, max_minutes=240)


@dataclass
class Behind:
    """Everything behind a button but the channel it comes through."""

    database: Path
    writer: Writer
    alertmanager: AlertmanagerStandIn
    words: Any
    client: AlertmanagerClient
    terms: Acknowledgement = TERMS
    telemetry: Telemetry = field(default_factory=Telemetry)
    outbox: Outbox = field(default_factory=lambda: Outbox({"console": Severity.DEBUG}))

    def __post_init__(self) -> None:
        self.ledger = Ledger(
            Teller(self.outbox, Terms()),
            Automatic(KillMode.PAUSE),
            Restricting(load_policy(default_policy_path(), {}), self.outbox),
        )
        self.parser = Parser(Severity.WARNING, lease_seconds=60)
        self.refusals = Refusals(self.writer, self.telemetry)
        everything = (self.database, self.writer, self.telemetry, self.refusals)
        self.monitor = open_monitor(Policy(), *everything).monitor
        self.keeper = AckKeeper(
            client=self.client,
            database=self.database,
            writer=self.writer,
            outbox=self.outbox,
            terms=self.terms,
            telemetry=self.telemetry,
            wake=lambda: None,
        )

    def restart(self) -> None:
        """Another service on the same store."""
        self.writer.stop()
        self.writer = started(self.database)
        self.__post_init__()

    def desk(self, secret: str, via: str) -> tuple[Desk, Buttons]:
        buttons = Buttons(secret, self.terms)
        desk = Desk(self.keeper, buttons, database=self.database, terms=self.terms, via=via)
        return desk, buttons

    def alert(self, **names: Any) -> None:
        """Prometheus says so."""
        now = utc_now()
        batch = self.parser.parse(
            Feed.ALERTS, json.dumps([self.words.alert(**names)]).encode(), now, ""
        )
        self.writer.run(lambda transaction: self.ledger.take_batch(transaction, batch, now, ""), 10)

    def acks(self) -> list[Muting]:
        """The acknowledgements that hold, as they are on record."""
        with closing(open_read_only(self.database)) as connection:
            return [one for one in table.standing(connection) if one.acknowledges]

    def events(self, kind: str) -> list[StoredEvent]:
        return [one for one in events(self.database, 0, 10_000) if one.event_type == kind]

    def metric(self, series: str) -> float | None:
        for line in self.telemetry.exposition().decode().splitlines():
            if line.startswith(series + " "):
                return float(line.rpartition(" ")[2])
        return None


@pytest.fixture
def behind(tmp_path: Path, words: Any) -> Iterator[Behind]:
    """A store that knows of one breach."""
    database = tmp_path / "audit.db"
    writer = started(database)
    with AlertmanagerStandIn() as alertmanager:
        client = AlertmanagerClient(alertmanager.endpoint, deadline_seconds=10)
        found = Behind(database, writer, alertmanager, words, client)
        found.alert(name="Watchdog", risk_id="watchdog", severity="debug", tier="")
        found.alert()
        yield found
        client.close()
        found.writer.stop()
