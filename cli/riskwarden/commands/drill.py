"""`riskwarden drill`: rehearse what must not go wrong, with evidence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from risk_policy.contracts.gating import TradingEnvironment
from riskwarden.commands.common import PolicyOption, fail, interruptible, out, policy_or_fail
from riskwarden.drill.log import MARKDOWN_FILE, DrillLog
from riskwarden.drill.record import Drill, Result
from riskwarden.drill.runner import Runner, Running
from riskwarden.drill.scenarios import SCENARIOS, Scenario
from riskwarden.operator import operator_name
from riskwarden.stack.layout import Layout

app = typer.Typer(
    help="Rehearse failures and the kill switch, with evidence.", no_args_is_help=True
)

LogOption = Annotated[
    Path, typer.Option("--log", help="Folder of the drill log.", envvar="RISKWARDEN_DRILLS")
]
_FOLDER = Path("var/drills")


@app.command("list")
def list_scenarios() -> None:
    """What can be rehearsed."""
    table = Table("scenario", "what it rehearses", "needs", box=None)
    for name, scenario in SCENARIOS.items():
        table.add_row(name, scenario.title, _needs(scenario))
    out.print(table)


@app.command()
def run(
    scenarios: Annotated[
        list[str] | None, typer.Argument(help="Scenarios; see `riskwarden drill list`.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    policy: PolicyOption = None,
    log: LogOption = _FOLDER,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Rehearse on the stack of this folder.", show_default=False),
    ] = None,
    on_live: Annotated[
        bool, typer.Option("--on-live", help="Even if that one trades with real money.")
    ] = False,
) -> None:
    """Rehearse scenarios, each on a paper stack of its own; exit status 1 if one fails.

    With --data on a stack that runs: what the scenario does, it does there, kill and all. A live
    one is refused without --on-live.
    """
    names = list(SCENARIOS) if every else list(dict.fromkeys(scenarios or ()))
    if unknown := [name for name in names if name not in SCENARIOS]:
        fail(f"{', '.join(unknown)}: no such scenario; there are {', '.join(SCENARIOS)}")
    if not names:
        fail("name a scenario, or --all; `riskwarden drill list` shows them")
    running = None if data is None else _running(data, names, on_live=on_live)
    loaded = policy_or_fail(policy)
    drill_log = DrillLog(log)
    failed = 0
    for number, name in enumerate(names, 1):
        head = f"[bold]{number}/{len(names)} {name}[/]"
        out.print(f"{head}: {SCENARIOS[name].title}")
        runner = Runner(
            loaded, drill_log, operator_name(), lambda text: out.print(f"  {text}"), running
        )
        try:
            with interruptible():
                drill = runner.run(name, SCENARIOS[name])
        except (OSError, ValueError) as error:
            fail(f"the drill cannot be written down: {error}", 1)
        except KeyboardInterrupt:
            _show(drill_log.read()[-1])
            out.print(f"interrupted; the log is {log / MARKDOWN_FILE}")
            raise typer.Exit(130) from None
        failed += drill.result is Result.FAIL
        _show(drill)
    passed = len(names) - failed
    out.print(f"{passed} PASS, {failed} FAIL; the log is {log / MARKDOWN_FILE}")
    if failed:
        raise typer.Exit(1)


@app.command("log")
def show_log(log: LogOption = _FOLDER) -> None:
    """The drills so far, with a summary."""
    try:
        drills = DrillLog(log).read()
    except (OSError, ValueError) as error:
        fail(str(error), 1)
    if not drills:
        fail(f"{log} holds no drills; `riskwarden drill run` makes some", 1)
    table = Table("id", "date (UTC)", "scenario", "environment", "operator", "result", box=None)
    for one in drills:
        date = one.started_at.strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(one.id, date, one.scenario, one.environment, one.operator, one.result.value)
    out.print(table)
    passed = sum(one.result is Result.PASS for one in drills)
    open_tasks = sum(len(one.follow_ups) for one in drills)
    out.print(f"{len(drills)} drills: {passed} PASS, {len(drills) - passed} FAIL; ", end="")
    out.print(f"{open_tasks} follow-ups; {log / MARKDOWN_FILE} has all of it")


def _needs(scenario: Scenario) -> str:
    if scenario.alone:
        return "nothing"
    return "a stack of its own" if scenario.own else "any stack"


def _running(data: Path, names: Sequence[str], *, on_live: bool) -> Running:
    """The stack of a folder, if these scenarios may be rehearsed there."""
    layout = Layout(data)
    endpoints = layout.read_endpoints()
    if endpoints is None:
        fail(f"{layout.description} names no running stack; leave --data out for one of its own")
    if own := [name for name in names if SCENARIOS[name].own]:
        fail(f"{', '.join(own)}: needs a stack of its own, whose parts it ends; leave --data out")
    environment = layout.read_environment()
    if environment is TradingEnvironment.LIVE and not on_live:
        fail(
            f"{data} is live: the drill would trip its kill switch and close real positions. "
            "Rehearse on paper or a testnet; if you mean it, add --on-live"
        )
    return Running(layout, endpoints, environment)


def _show(drill: Drill) -> None:
    for one in drill.criteria:
        mark = "[green]met[/]    " if one.met else "[bold red]not met[/]"
        out.print(f"  {mark} {escape(one.what)} [dim]({escape(one.evidence)})[/]")
    if drill.trouble:
        out.print(f"  [bold red]it could not be finished:[/] {escape(drill.trouble)}")
    for follow in drill.follow_ups:
        out.print(f"  [bold]to do[/] ({escape(follow.owner)}): {escape(follow.what)}")
    style = "green" if drill.result is Result.PASS else "bold red"
    out.print(f"  [{style}]{drill.result}[/] {drill.id}, {drill.seconds:.1f} s")
