"""`riskwarden run`: the whole stack on loopback, live in the terminal."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from risk_policy import Policy
from risk_policy.contracts.gate import LEASE_FILE
from risk_policy.contracts.gating import TradingEnvironment
from risk_receivers.store.own import in_a_folder_of_its_own
from riskwarden.commands.common import (
    LATEST,
    PolicyOption,
    fail,
    interruptible,
    out,
    policy_or_fail,
)
from riskwarden.stack.layout import Layout, StackError, new_run
from riskwarden.stack.processes import Processes
from riskwarden.stack.screen import Screen, links, timeline
from riskwarden.stack.stack import Replay, Stack, find_binaries
from riskwarden.stack.story import Milestone, Story
from riskwarden.stack.watch import Watcher

#: Nothing announces what the servers do; a person reads no faster than this.
_LOOK_SECONDS = 0.2


def run(
    policy: PolicyOption = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Data folder; a new one under var/ unless given. An earlier run goes on.",
            show_default=False,
        ),
    ] = None,
    once: Annotated[
        bool,
        typer.Option(
            "--once", help="End after breach, kill, flat and verified; 0 if all happened."
        ),
    ] = False,
    speed: Annotated[
        float, typer.Option("--speed", min=0.1, max=200, help="Trading days per second.")
    ] = 6.0,
    start: Annotated[
        str | None, typer.Option("--start", help="First day, YYYY-MM-DD.", show_default=False)
    ] = None,
    end: Annotated[
        str | None, typer.Option("--end", help="Last day, YYYY-MM-DD.", show_default=False)
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, help="With --once: seconds until it has failed.")
    ] = 240.0,
) -> None:
    """Run exporter, paper runtime, Prometheus, Alertmanager and receivers; Ctrl-C stops all."""
    loaded = policy_or_fail(policy)
    if data is not None:
        _require_to_play_in(Layout(data.resolve()), loaded, once=once)
    try:
        binaries = find_binaries()
        runs = Path("var").resolve()
        layout = Layout(new_run(runs, datetime.now(UTC)) if data is None else data.resolve())
        layout.create()
        if data is None:
            _point_latest_at(layout.root)
        with interruptible(), Processes(layout.log) as processes:
            stack = Stack(loaded, layout, processes)
            replay = Replay(start, end, speed)
            stack.start(binaries, replay, lambda part: out.print(f"starting {part}", style="dim"))
            out.print(links(stack))
            story = Story(stack.policy)
            complete = _follow(stack, story, processes, once=once, timeout=timeout)
    except StackError as error:
        fail(str(error), 1)
    except KeyboardInterrupt:
        out.print(f"stopped; everything recorded stays in {layout.root}")
        raise typer.Exit(130 if once else 0) from None
    if Milestone.FLAT in story.milestones and Milestone.BREACH in story.milestones:
        out.print(timeline(story))
    if not complete and story.can_no_longer_breach:
        fail(
            f"the replay ended on {story.day.market_date} without a drawdown beyond the emergency "
            "threshold; choose another --start and --end, or leave them out",
            1,
        )
    if not complete:
        missing = ", ".join(story.missing)
        fail(f"not seen in time: {missing}; the logs are in {layout.log}", 1)
    out.print(
        "[bold green]complete:[/] warning, critical, emergency, kill, flat, blocked, verified; "
        f"everything recorded is in {layout.root}"
    )


def _require_to_play_in(layout: Layout, policy: Policy, *, once: bool) -> None:
    """What is replayed trips a kill switch, which must not be one that anybody relies on."""
    holds_record = layout.database(in_a_folder_of_its_own(policy)).exists()
    is_used = holds_record or (layout.gate / LEASE_FILE).exists()
    if is_used and layout.read_environment() is TradingEnvironment.LIVE:
        fail(
            f"{layout.root} is in use, and {layout.description.name} in it does not say that it is "
            "a paper stack's: its kill switch would be tripped; leave --data out or name a new "
            "folder"
        )
    if once and holds_record:
        fail(
            f"{layout.root} holds an earlier run, whose record would count for this one; "
            "with --once leave --data out or name a new folder"
        )


def _follow(
    stack: Stack, story: Story, processes: Processes, *, once: bool, timeout: float
) -> bool:
    """Show the run until it is complete (once), out of time, or interrupted."""
    deadline = time.monotonic() + timeout
    with Watcher(stack, story) as watcher, Screen(out, story, stack) as screen:
        while True:
            watcher.look()
            screen.update()
            if once and not story.missing:
                return True
            if once and (story.can_no_longer_breach or time.monotonic() > deadline):
                return False
            processes.check()
            time.sleep(_LOOK_SECONDS)


def _point_latest_at(folder: Path) -> None:
    """Let `var/latest` name the newest run, so that other commands need no --data."""
    staging = folder.parent / f".latest-{folder.name}"
    staging.unlink(missing_ok=True)
    staging.symlink_to(folder.name)
    staging.replace(folder.parent / LATEST.name)
