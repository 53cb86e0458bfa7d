"""`riskwarden report incident`: what happened, step by step, with its proof."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer

from risk_policy.clock import utc_now
from risk_policy.contracts.audit import EventType
from risk_policy.vocabulary import Severity
from risk_receivers.audit.errors import UnreadableDatabaseError
from risk_receivers.database.place import Place
from riskwarden.commands.audit.common import DatabaseOption, database_or_fail, progress_bar
from riskwarden.commands.common import LATEST, DataOption, PolicyOption, fail
from riskwarden.commands.report.common import FormOption, OutputOption, deliver, form_of
from riskwarden.dossier.document import Case, document
from riskwarden.dossier.listing import Known
from riskwarden.dossier.reading import read_incidents, read_trail
from riskwarden.dossier.samples import LeftSamples, LiveSamples, Samples
from riskwarden.dossier.steps import steps_of
from riskwarden.dossier.trail import Trail, split_incident
from riskwarden.dossier.watched import Watched, watched
from riskwarden.lenient import LenientPolicy
from riskwarden.stack.layout import Layout

SeverityOption = Annotated[
    Severity | None,
    typer.Option(
        "--severity", help="Only those that counted as this or worse.", show_default=False
    ),
]
PrometheusOption = Annotated[
    str | None,
    typer.Option(
        "--prometheus",
        metavar="URL",
        help="Where the values are asked for; the stack's own Prometheus, or the files that it "
        "has left, unless given.",
        show_default=False,
    ),
]


def incident(
    id_: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            help="RISK_ID:TIER:EPISODE, as `riskwarden report incidents` lists them.",
            show_default=False,
        ),
    ] = None,
    latest: Annotated[bool, typer.Option("--latest", help="The one that began last.")] = False,
    severity: SeverityOption = None,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    database: DatabaseOption = None,
    prometheus: PrometheusOption = None,
    form: FormOption = None,
    output: OutputOption = None,
) -> None:
    """Tell an incident from breach to flat: times, actors, values, messages, proofs.

    From the audit chain and Prometheus alone, whether the stack is running or not.
    """
    written_as = form_of(form, output)
    if (id_ is None) is not latest:
        fail("name an incident, or ask for the --latest; see riskwarden report incidents")
    loaded = LenientPolicy(policy)
    path = database_or_fail(database, data, policy)
    signing_key = None if database else data / loaded.signing_key
    try:
        known = read_incidents(path)
        wanted = _latest(known, severity, path) if id_ is None else _named(id_)
        with progress_bar("verifying") as (progress,):
            trail = read_trail(path, wanted, signing_key=signing_key, progress=progress)
    except UnreadableDatabaseError as error:
        fail(str(error))
    if not trail.records:
        fail(f"{path}: nothing is on record of {wanted}; see riskwarden report incidents", 1)
    figure = _figure(trail, _sources(prometheus, Layout(data), loaded))
    risk_id, _, _ = split_incident(wanted)
    others = [one for one in known if one.id != wanted and split_incident(one.id)[0] == risk_id]
    told = steps_of(trail, figure.breached_at)
    case = Case(trail, told, figure, others, str(path), utc_now())
    deliver(document(case), written_as, output)


def worse_than(known: Sequence[Known], severity: Severity | None) -> list[Known]:
    """Those that counted as a severity or worse."""
    return [one for one in known if severity is None or one.severity.rank >= severity.rank]


def _named(incident_id: str) -> str:
    try:
        split_incident(incident_id)
    except ValueError as error:
        fail(str(error))
    return incident_id


def _latest(known: Sequence[Known], severity: Severity | None, path: Place) -> str:
    found = worse_than(known, severity)
    if not found:
        fail(f"{path}: no such incident is on record", 1)
    return found[0].id


def _sources(url: str | None, layout: Layout, policy: LenientPolicy) -> list[Samples]:
    if url is not None:
        return [LiveSamples(url.rstrip("/"))]
    endpoints = layout.read_endpoints()
    address = policy.prometheus if endpoints is None else endpoints.prometheus
    return [LiveSamples(f"http://{address}"), LeftSamples(layout.prometheus / "data")]


def _figure(trail: Trail, sources: Sequence[Samples]) -> Watched:
    created = trail.of(EventType.ALERT_CREATED)
    if not created:
        return Watched(why_not="which figure it is about is not on record any more")
    first = created[0]
    try:
        since = datetime.fromisoformat(first.text("starts_at"))
    except ValueError:
        since = first.recorded_at
    return watched(first.labels, since, trail.records[-1].recorded_at, sources)
