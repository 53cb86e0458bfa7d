"""The contracts' JSON Schemas: committed as they are, and asking for what is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from risk_policy.contract_schemas import Contract, contract_schema
from risk_policy.contracts.snapshot import Snapshot

FOLDER = Path(__file__).parents[2] / "docs" / "schema"
POSITION = {"symbol": "BTC-EUR", "quantity": 0.5, "mark": 80_000, "average_price": 75_000}
SNAPSHOT = {
    "account": "main",
    "equity": 100_000,
    "cash": 60_000,
    "positions": [POSITION],
    "taken_at": "2026-03-02T15:00:00Z",
}


@pytest.mark.parametrize("contract", Contract)
def test_the_committed_schema_is_the_current_one(contract: Contract) -> None:
    committed = json.loads((FOLDER / f"{contract}.json").read_text(encoding="utf-8"))
    assert committed == contract_schema(contract), (
        f"out of date; run: riskwarden schema {contract} > docs/schema/{contract}.json"
    )
    assert {path.stem for path in FOLDER.iterdir()} == set(Contract)


def test_what_is_required_is_what_a_snapshot_is_refused_without() -> None:
    schema = contract_schema(Contract.SNAPSHOT)
    assert set(schema["required"]) == set(SNAPSHOT)
    assert set(schema["$defs"]["Position"]["required"]) == set(POSITION)
    Snapshot.model_validate(SNAPSHOT)
    for name in SNAPSHOT:
        with pytest.raises(ValidationError):
            Snapshot.model_validate({k: v for k, v in SNAPSHOT.items() if k != name})


def test_every_field_of_a_snapshot_says_what_it_is() -> None:
    schema = contract_schema(Contract.SNAPSHOT)
    models: dict[str, dict[str, Any]] = {"Snapshot": schema, **schema["$defs"]}
    silent = [
        f"{name}.{field}"
        for name, model in models.items()
        for field, said in model.get("properties", {}).items()
        if len(said.get("description", "")) < 8
    ]
    assert silent == []
    assert schema["properties"]["account"]["description"] == "which account the figures belong to."
    assert schema["additionalProperties"] is False
