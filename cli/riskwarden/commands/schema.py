"""`riskwarden schema`: what a trading runtime sends and reads, as JSON Schema."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from risk_policy.contract_schemas import Contract, contract_schema


def schema(
    contract: Annotated[Contract, typer.Argument(help="What the runtime sends or reads.")],
) -> None:
    """Print the JSON Schema of what a trading runtime sends and reads."""
    typer.echo(json.dumps(contract_schema(contract), indent=2, ensure_ascii=False))
