"""The command line: one visible table of commands."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from riskwarden.commands import (
    acks,
    audit,
    backtest,
    channels,
    generate,
    operate,
    policy,
    rules,
    run,
)

app = typer.Typer(
    name="riskwarden",
    help="A risk layer for trading runtimes on Prometheus, Alertmanager and Grafana.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("run")(run.run)
app.command("generate")(generate.generate)
app.command("backtest")(backtest.backtest)
app.command("kill")(operate.kill)
app.command("status")(operate.status)
app.command("ack")(acks.ack)
app.command("unack")(acks.unack)
app.command("acks")(acks.acks)
app.add_typer(policy.app, name="policy")
app.add_typer(rules.app, name="rules")
app.add_typer(audit.app, name="audit")
app.add_typer(channels.app, name="channels")


def _print_version(value: bool) -> None:  # noqa: FBT001  (typer hands the flag over like this)
    if value:
        typer.echo(f"riskwarden {version('riskwarden')}")
        raise typer.Exit


@app.callback()
def _main(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass
