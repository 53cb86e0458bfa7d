"""`riskwarden report`: one module a report, in one visible table."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import typer

#: Command -> its module here, which has a function of that name.
_COMMANDS: Final = {
    "compliance": "periodic",
    "daily": "periodic",
    "weekly": "periodic",
    "sla": "periodic",
    "incident": "incident",
    "incidents": "incidents",
    "var": "var",
}

app = typer.Typer(help="Reports on what is on record: Markdown, HTML or PDF.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Reports on what is on record: Markdown, HTML or PDF."""


for _name, _module in _COMMANDS.items():
    app.command(_name)(getattr(import_module(f"{__name__}.{_module}"), _name))
