"""The contracts of a trading runtime as JSON Schema, for those that are written in other languages.

What a schema refuses is refused when it arrives, too. Not the other way round: that no symbol is
told twice, say, is looked at there only. Every field's own words come from where it is defined.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel

from risk_policy.contracts.gate import GateDetail
from risk_policy.contracts.reports import ReportBatch
from risk_policy.contracts.safety_snapshot import SafetySnapshot
from risk_policy.contracts.snapshot import Snapshot
from risk_policy.schema import DIALECT

_ATTRIBUTES: Final = re.compile(r"\n+Attributes:\n(?P<attributes>(?:[ \t]+.*\n?|\n)*)")
_ATTRIBUTE: Final = re.compile(
    r"^    (?P<names>[a-z_][a-z0-9_, ]*): (?P<words>.*(?:\n     +.*)*)", re.M
)


class Contract(StrEnum):
    """What a runtime sends or reads, and what is written for others to read."""

    SNAPSHOT = "snapshot"
    REPORTS = "reports"
    GATE = "gate"
    SAFETY_SNAPSHOT = "safety-snapshot"


_MODELS: Final[dict[Contract, type[BaseModel]]] = {
    Contract.SNAPSHOT: Snapshot,
    Contract.REPORTS: ReportBatch,
    Contract.GATE: GateDetail,
    Contract.SAFETY_SNAPSHOT: SafetySnapshot,
}
#: What is filled in before it is looked at.
_NEED_NOT_BE_TOLD: Final = {Contract.SNAPSHOT: {"market_time"}}


def contract_schema(contract: Contract) -> dict[str, Any]:
    """The schema of one contract, as JSON has it."""
    described = _MODELS[contract].model_json_schema(mode="validation")
    optional = _NEED_NOT_BE_TOLD.get(contract, set())
    described["required"] = [name for name in described["required"] if name not in optional]
    for model in (described, *described.get("$defs", {}).values()):
        _describe_fields(model)
    return {"$schema": DIALECT, **described}


def _describe_fields(model: dict[str, Any]) -> None:
    """Hand what a model says of its attributes over to them."""
    words = model.get("description", "") + "\n"
    found = _ATTRIBUTES.search(words)
    fields = model.get("properties", {})
    for said in fields.values():
        said.pop("title", None)
    if found is None:
        return
    model["description"] = _ATTRIBUTES.sub("", words).strip()
    for attribute in _ATTRIBUTE.finditer(found["attributes"]):
        for name in attribute["names"].split(","):
            if name.strip() in fields:
                fields[name.strip()]["description"] = " ".join(attribute["words"].split())
