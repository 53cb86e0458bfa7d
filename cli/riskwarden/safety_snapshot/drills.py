"""Every rehearsal and how it last went: from the audit chain of the stack it ran on, and the log.

A drill mostly runs on a stack of its own, whose chain the log names. Where the chain and the log
say different things, the worse is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from risk_policy.contracts.safety_snapshot import DrillRun
from riskwarden.drill.log import JSON_FILE, DrillLog
from riskwarden.drill.record import Drill
from riskwarden.drill.scenarios import SCENARIOS
from riskwarden.safety_snapshot.sources import Sources, reason_of
from riskwarden.safety_snapshot.store import DrillEnd, drill_ends


def drill_runs(
    log: Path, here: Mapping[str, DrillEnd], database_path: str, sources: Sources
) -> tuple[DrillRun, ...]:
    """Every scenario's last run.

    Args:
        log: the folder of the drill log.
        here: ends in the chain of the stack that the snapshot is of.
        database_path: of a store in its data folder.
    """
    logged = _logged(log, sources)
    return tuple(
        _run(name, scenario.title, here.get(name), logged.get(name), database_path)
        for name, scenario in SCENARIOS.items()
    )


def _run(
    name: str, title: str, here: DrillEnd | None, logged: Drill | None, database_path: str
) -> DrillRun:
    ends = [here] if here else []
    if logged is not None and logged.data:
        own = Path(logged.data) / database_path
        if (found := drill_ends(own, (name,)).get(name)) is not None:
            ends.append(found)
    end = max(ends, key=lambda one: one.ended_at, default=None)
    if end is None and logged is None:
        return DrillRun(scenario=name, title=title)
    if logged is None or (end and end.drill_id != logged.id and end.ended_at > logged.ended_at):
        return _by_chain(name, title, end)
    same = next((one for one in ends if one.drill_id == logged.id), None)
    result: Literal["PASS", "FAIL"] = "PASS" if logged.result == "PASS" else "FAIL"
    # A drill may fail after its end was recorded, and say so in the log; not the other way round.
    is_contradicted = same is not None and result == "PASS" and same.result != "PASS"
    return DrillRun(
        scenario=name,
        title=title,
        drill_id=logged.id,
        result="FAIL" if is_contradicted else result,
        ended_at=logged.ended_at,
        environment=logged.environment,
        operator=logged.operator,
        evidence="contradicted" if is_contradicted else "audit chain" if same else "log",
        record=same.record if same else None,
    )


def _by_chain(name: str, title: str, end: DrillEnd | None) -> DrillRun:
    if end is None:
        return DrillRun(scenario=name, title=title)
    return DrillRun(
        scenario=name,
        title=title,
        drill_id=end.drill_id,
        result="PASS" if end.result == "PASS" else "FAIL",
        ended_at=end.ended_at,
        environment=end.environment,
        operator=end.operator,
        evidence="audit chain",
        record=end.record,
    )


def _logged(log: Path, sources: Sources) -> dict[str, Drill]:
    """The last of each in the log."""
    where = log / JSON_FILE
    try:
        drills = DrillLog(log).read()
    except OSError as error:
        sources.unreadable("drill log", where, reason_of(error))
        return {}
    except ValueError:
        sources.unreadable("drill log", where, "a line of it is no record of a drill")
        return {}
    if not drills:
        sources.absent("drill log", where)
        return {}
    last = max(one.ended_at for one in drills).astimezone(UTC)
    sources.read("drill log", where, last)
    ordered = sorted(drills, key=_ended)
    return {one.scenario: one for one in ordered}


def _ended(drill: Drill) -> datetime:
    return drill.ended_at
