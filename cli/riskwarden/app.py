"""The command line: one visible table of commands.

Only the module of the command that is asked for is imported: `riskwarden kill` must not wait
for numpy. Without one (help, a typo, completion in a shell) all of them are.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Final

import typer

#: Command -> its module in riskwarden.commands, which has a function of that name or is a group.
_COMMANDS: Final = {
    "run": "run",
    "generate": "generate",
    "align": "align",
    "backtest": "backtest",
    "schema": "schema",
    "kill": "kill",
    "clear": "clear",
    "disarm": "clear",
    "arm": "clear",
    "restrictions": "restrictions",
    "resume": "restrictions",
    "reset-high-water-mark": "high_water_mark",
    "status": "status",
    "golive": "golive",
    "ack": "acks",
    "unack": "acks",
    "acks": "acks",
    "upgrade": "upgrade",
}
_GROUPS: Final = (
    "policy",
    "rules",
    "audit",
    "channels",
    "drill",
    "token",
    "user",
    "security",
    "report",
    "snapshot",
)


def application(arguments: Sequence[str] = ()) -> typer.Typer:
    """The command line, as far as these arguments need it."""
    asked, *_ = arguments or ("",)
    app = typer.Typer(
        name="riskwarden",
        help="A risk layer for trading runtimes on Prometheus, Alertmanager and Grafana.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.callback()(_main)
    every = (*_COMMANDS, *_GROUPS)
    for name in (asked,) if asked in every else every:
        module = import_module(f"riskwarden.commands.{_COMMANDS.get(name, name)}")
        if name in _COMMANDS:
            app.command(name)(getattr(module, name.replace("-", "_")))
        else:
            app.add_typer(module.app, name=name)
    return app


def _print_version(value: bool) -> None:  # noqa: FBT001  (typer hands the flag over like this)
    if value:
        from importlib.metadata import version

        typer.echo(f"riskwarden {version('riskwarden')}")
        raise typer.Exit


def _main(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass
