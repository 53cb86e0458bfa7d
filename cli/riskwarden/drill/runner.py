"""Run a scenario and write down what came of it, whatever happens meanwhile."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from risk_policy import Policy
from risk_policy.clock import utc_now
from risk_policy.contracts.gating import TradingEnvironment
from risk_policy.model.stack import Endpoints
from riskwarden.drill.log import DrillLog
from riskwarden.drill.record import Drill, Notes
from riskwarden.drill.scenarios import Scenario
from riskwarden.drill.stage import OwnStage, Stage
from riskwarden.stack.layout import Layout, StackError
from riskwarden.stack.processes import Processes


@dataclass(frozen=True, slots=True)
class Running:
    """A stack that runs already.

    Attributes:
        environment: paper, testnet or live.
    """

    layout: Layout
    endpoints: Endpoints
    environment: TradingEnvironment


class Runner:
    """Runs drills one after the other: on a stack that runs, or each on one of its own."""

    def __init__(
        self,
        policy: Policy,
        log: DrillLog,
        operator: str,
        say: Callable[[str], None],
        running: Running | None = None,
    ) -> None:
        self._policy = policy
        self._log = log
        self._operator = operator
        self._say = say
        self._running = running

    @property
    def _environment(self) -> str:
        return (self._running.environment if self._running else TradingEnvironment.PAPER).value

    def run(self, name: str, scenario: Scenario) -> Drill:
        """Run one. Raises OSError if it cannot be written down.

        KeyboardInterrupt passes, once what came of it by then is written down.
        """
        drill_id = self._log.next_id()
        notes = Notes()
        work: Callable[[], None]
        folder: Path | None = None
        if scenario.alone is not None:
            work = partial(scenario.alone, self._policy, notes)
        elif self._running is not None and scenario.run is not None:
            folder = self._running.layout.root
            work = partial(self._on_running, self._running, drill_id, name, scenario.run, notes)
        else:
            folder = self._log.runs / drill_id.lower()
            work = partial(self._on_own, folder, drill_id, name, scenario, notes)
        try:
            trouble = _trouble_of(work)
        except KeyboardInterrupt:
            self._write_down(drill_id, name, scenario, notes, folder, "it was interrupted")
            raise
        return self._write_down(drill_id, name, scenario, notes, folder, trouble)

    def _write_down(
        self,
        drill_id: str,
        name: str,
        scenario: Scenario,
        notes: Notes,
        folder: Path | None,
        trouble: str,
    ) -> Drill:
        drill = Drill(
            id=drill_id,
            scenario=name,
            title=scenario.title,
            operator=self._operator,
            environment=self._environment,
            policy_digest=self._policy.digest,
            data=str(folder or ""),
            started_at=notes.started_at,
            ended_at=utc_now(),
            preconditions=tuple(notes.preconditions),
            steps=tuple(notes.steps),
            observations=tuple(notes.observations),
            criteria=tuple(notes.criteria),
            follow_ups=tuple(notes.follow_ups),
            trouble=trouble,
        )
        self._log.add(drill)
        return drill

    def _on_running(
        self,
        running: Running,
        drill_id: str,
        name: str,
        work: Callable[[Stage, Notes], None],
        notes: Notes,
    ) -> None:
        with closing(Stage(self._policy, running.layout, running.endpoints)) as stage:
            notes.given(f"the {running.environment} stack of {running.layout.root} runs")
            if not stage.is_open:
                raise StackError(f"its gate is closed already: {stage.gate_told}")
            try:
                self._on_record(stage, drill_id, name, notes, lambda: work(stage, notes))
            finally:
                _say_what_is_left(stage, notes)

    def _on_own(
        self, folder: Path, drill_id: str, name: str, scenario: Scenario, notes: Notes
    ) -> None:
        (folder / "log").mkdir(parents=True)
        self._say("starting a paper stack of its own")
        with (
            Processes(folder / "log") as processes,
            closing(OwnStage(self._policy, folder, processes, scenario.replay)) as stage,
        ):
            stage.start()
            notes.given("exporter, Prometheus, Alertmanager, receivers and paper runtime run")
            self._say("running")

            def work() -> None:
                if scenario.own is not None:
                    scenario.own(stage, notes)
                elif scenario.run is not None:
                    scenario.run(stage, notes)

            self._on_record(stage, drill_id, name, notes, work)

    def _on_record(
        self, stage: Stage, drill_id: str, name: str, notes: Notes, work: Callable[[], None]
    ) -> None:
        stage.begin()
        self._tell(stage, drill_id, name, notes, phase="started")
        if not all(one.met for one in notes.criteria):
            raise StackError("what is not on record as a drill is none; nothing was done")
        finished = False
        try:
            work()
            finished = True
        finally:
            self._tell(stage, drill_id, name, notes, phase="ended", finished=finished)

    def _tell(
        self,
        stage: Stage,
        drill_id: str,
        name: str,
        notes: Notes,
        *,
        phase: str,
        finished: bool = False,
    ) -> None:
        """Put it on record: that it began and, as far as it has come, how it ended."""
        body = {
            "phase": phase,
            "id": drill_id,
            "scenario": name,
            "environment": self._environment,
            "actor": self._operator,
        }
        if phase == "ended":
            met = finished and bool(notes.criteria) and all(one.met for one in notes.criteria)
            body["result"] = "PASS" if met else "FAIL"
        criteria = [
            {"what": one.what[:1000], "met": one.met, "evidence": one.evidence[:1000]}
            for one in notes.criteria
        ]
        code, content = stage.call("POST", "/api/v1/drills", {**body, "criteria": criteria})
        notes.expect(
            f"that the drill {phase} is in the audit chain",
            met=code == httpx.codes.OK,
            evidence=f"seq {content['audit_seq']}" if "audit_seq" in content else str(content),
        )


def _say_what_is_left(stage: Stage, notes: Notes) -> None:
    """A stack that goes on must not stay closed without anybody's knowledge."""
    for kill in stage.kills:
        notes.later(
            f"the kill switch is tripped ({kill['mode']}, {kill['cause']}): riskwarden clear "
            f"--kill {kill['kill_id']} --reason ... --data {shlex.quote(str(stage.layout.root))}",
            "operator",
        )
    if not (stage.kills or stage.is_open):
        notes.later(f"the gate is closed: {stage.gate_told}", "operator")


def _trouble_of(work: Callable[[], None]) -> str:
    """Why a drill could not be finished; empty if it could."""
    try:
        work()
    except StackError as error:
        return " ".join(str(error).split())[:500]
    except Exception as error:  # noqa: BLE001 - a drill that breaks has failed, and says with what
        return f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
    return ""
