"""`riskwarden audit`: one module a command, in one visible table."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import typer

#: Command -> its module here, which has a function of that name or, as a group, its `app`.
_COMMANDS: Final = (
    "verify",
    "query",
    "show",
    "tail",
    "prove",
    "export",
    "verifier",
    "backup",
    "restore",
    "prune",
    "rotate-key",
)
_GROUPS: Final = ("hold",)

app = typer.Typer(help="The tamper-evident audit chain.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The tamper-evident audit chain."""


def _module(name: str) -> str:
    return f"{__name__}.{name.replace('-', '_')}"


for _name in _COMMANDS:
    app.command(_name)(getattr(import_module(_module(_name)), _name.replace("-", "_")))
for _name in _GROUPS:
    app.add_typer(import_module(_module(_name)).app, name=_name)
