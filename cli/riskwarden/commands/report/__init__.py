"""`riskwarden report`: one module a report, in one visible table."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import typer

#: Command -> its module here, which has a function of that name.
_COMMANDS: Final = ("incident", "incidents", "var")

app = typer.Typer(help="Reports on what is on record: Markdown, HTML or PDF.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Reports on what is on record: Markdown, HTML or PDF."""


for _name in _COMMANDS:
    _module = import_module(f"{__name__}.{_name.replace('-', '_')}")
    app.command(_name)(getattr(_module, _name.replace("-", "_")))
