"""Take a snapshot: read every source once, judge, and let nothing secret out."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from risk_policy import UnsetVariableError
from risk_policy.catalogue import metrics as m
from risk_policy.clock import utc_now
from risk_policy.contracts.gating import TradingEnvironment
from risk_policy.contracts.safety_snapshot import ChainEnd, SafetySnapshot, Versions
from risk_policy.model.audit import Audit
from risk_policy.model.policy import Alerting
from risk_receivers.database.place import Server
from riskwarden.drill.scenarios import SCENARIOS
from riskwarden.safety_snapshot import gates
from riskwarden.safety_snapshot.artefacts import read_artefacts
from riskwarden.safety_snapshot.asking import Running, ask
from riskwarden.safety_snapshot.discreet import discretion, without_secrets
from riskwarden.safety_snapshot.drills import drill_runs
from riskwarden.safety_snapshot.held import PublishedGate, kill_states, read_gate, restrictions
from riskwarden.safety_snapshot.limits import ReadPolicy, limits_of, read_policy
from riskwarden.safety_snapshot.sealing import sealed
from riskwarden.safety_snapshot.sources import DATABASE_SERVER, Sources
from riskwarden.safety_snapshot.store import Stored, read_store
from riskwarden.safety_snapshot.verdict import Evidence, verdict
from riskwarden.stack.layout import Layout

_WANTED: Final = gates.WANTED | {m.AUDIT_INTACT.name}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a snapshot is taken of.

    Attributes:
        data: the stack's folder.
        policy: the policy file.
        drills: folder of the drill log.
        exporters: folders of exporters' memory beside those in ``data``.
        environment_id: a name for it; the policy's name and digest if empty.
        ask: whether running parts are asked.
    """

    data: Path
    policy: Path
    drills: Path
    exporters: tuple[Path, ...] = ()
    environment_id: str = ""
    ask: bool = True


def take(
    wanted: Wanted,
    clock: Callable[[], datetime] = utc_now,
    environ: Mapping[str, str] | None = None,
) -> SafetySnapshot:
    """Take one. Whatever cannot be read is unknown in it."""
    environ = os.environ if environ is None else environ
    taken_at = clock()
    return sealed(lambda is_sealed: _taken(wanted, taken_at, environ, is_sealed=is_sealed))


def _taken(
    wanted: Wanted, taken_at: datetime, environ: Mapping[str, str], *, is_sealed: bool
) -> SafetySnapshot:
    sources, layout = Sources(lambda: taken_at), Layout(wanted.data)
    read = read_policy(wanted.policy, sources)
    alerting = read.policy.alerting if read.policy else Alerting()
    database = layout.root / alerting.audit.database_path
    server = _server(alerting.audit, database, environ, sources, is_asked=wanted.ask)
    stored = read_store(database, frozenset(SCENARIOS), sources, server)
    gate = read_gate(layout.gate, sources)
    environment = _environment(layout, sources)
    running = _running(layout, alerting, sources, is_asked=wanted.ask)
    accounts = gates.accounts(
        wanted.data,
        wanted.exporters,
        running,
        alerting.system.snapshot_stale_seconds,
        sources,
    )
    artefacts = read_artefacts(layout, read, gate.content, sources)
    limits = limits_of(read, accounts, _policies(running, gate) | artefacts.made_from)
    drills = drill_runs(
        wanted.drills, stored.drills if stored else {}, alerting.audit.database_path, sources
    )
    kills, held = kill_states(stored, gate.detail), restrictions(stored, gate.detail)
    chain = _chain(stored, running)
    safety = verdict(
        Evidence(
            stack_environment=environment,
            accounts=accounts,
            gate=gate.status,
            kills=kills,
            restrictions=held,
            limits=limits,
            digests=artefacts.digests,
            chain=chain,
            drills=drills,
        )
    )
    snapshot = SafetySnapshot(
        taken_at=taken_at,
        kernel_forbade_writing=is_sealed,
        environment_id=wanted.environment_id or _name_of(read),
        data=str(wanted.data.absolute()),
        stack_environment=environment,
        safety=safety,
        gating=accounts,
        limits=limits,
        kill_switches=kills,
        restrictions=held,
        gate=gate.status,
        drills=drills,
        chain=chain,
        versions=_versions(running),
        digests=artefacts.digests,
        sources=tuple(sources.found),
    )
    return without_secrets(snapshot, discretion(read.policy, layout.secrets, environ))


def _server(
    audit: Audit, path: Path, environ: Mapping[str, str], sources: Sources, *, is_asked: bool
) -> Server | None:
    """The server that keeps the record, if that is where the policy has it and it may be asked."""
    if audit.storage_backend != "postgresql":
        return None
    name = "database server"
    if not is_asked:
        sources.not_asked(name, DATABASE_SERVER, "files alone were asked for")
        return None
    try:
        return Server(audit.postgresql.dsn.reveal(environ), path)
    except UnsetVariableError as error:
        sources.not_asked(name, DATABASE_SERVER, f"alerting.audit.postgresql.dsn: {error}")
        return None


def _running(layout: Layout, alerting: Alerting, sources: Sources, *, is_asked: bool) -> Running:
    if not is_asked:
        sources.not_asked("running parts", "", "files alone were asked for")
        return Running()
    return ask(layout.read_endpoints() or alerting.endpoints, _WANTED, sources)


def _environment(layout: Layout, sources: Sources) -> str | None:
    """What the stack was started as; live, if it says something else than it may."""
    content = sources.file("stack", layout.description)
    if content is None:
        return None
    environment = layout.read_environment()
    return TradingEnvironment(environment).value


def _policies(running: Running, gate: PublishedGate) -> dict[str, str]:
    """Digests of the policy that parts say they have."""
    found = {
        part: one["digest"]
        for part in running.samples
        for one in running.labels(part, m.POLICY_INFO.name)
        if one.get("component") == part and "digest" in one
    }
    if gate.detail is not None and gate.detail.policy_digest:
        found["gate"] = gate.detail.policy_digest
    return found


def _chain(stored: Stored | None, running: Running) -> ChainEnd:
    intact = running.value("receivers", m.AUDIT_INTACT.name)
    return ChainEnd(
        head=str(stored.head) if stored else None,
        noted_head=str(stored.noted) if stored and stored.noted else None,
        signed_head=str(stored.signed) if stored and stored.signed else None,
        is_whole=stored.is_whole if stored else None,
        last_recorded_at=stored.last_recorded_at if stored else None,
        found_intact=None if intact is None else intact == 1.0,
    )


def _versions(running: Running) -> Versions:
    try:
        own = version("riskwarden")
    except PackageNotFoundError:
        own = "unknown"
    return Versions(
        riskwarden=own,
        python=platform.python_version(),
        prometheus=running.versions.get("prometheus"),
        alertmanager=running.versions.get("alertmanager"),
    )


def _name_of(read: ReadPolicy) -> str:
    return f"{read.path.stem}-{read.digest[:12]}" if read.digest else "unknown"
