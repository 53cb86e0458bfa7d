"""Every trading day that is over: what the account was worth, and the risk it then looked like.

``STATE_DIR/<account>/days.jsonl`` holds one line a day, for good: a year is some 50 kB. The value
at risk of a line is the one that was exported last on that day, of the book as it was then, so it
is a forecast for the day of the next line and knows nothing of it.

Invariant: a line is written once its day is over and is never changed. Should a day be told again,
after a crash between two writes or a clock that ran ahead, the later line counts, and what was
written before it of days from then on does not.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from risk_exporter.disk import sync_folder
from risk_exporter.errors import StateError
from risk_exporter.measures import Measures
from risk_exporter.value_at_risk import Conventions
from risk_policy.contracts.snapshot import Amount, Identifier

DAYS_FILE: Final = "days.jsonl"
_Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class Forecast(BaseModel):
    """Value at risk as it was exported.

    Attributes:
        var_ratio: of the equity then, at this confidence, over so many trading days.
        sample_count: the past returns it was made of.
        covered_ratio: the share of the gross exposure that it speaks of.
        positions_open: how many there were; of none there is nothing to foresee.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    method: Literal["historical"] = "historical"
    confidence_pct: Annotated[float, Field(gt=0, lt=100)]
    horizon_days: Annotated[int, Field(ge=1)]
    var_ratio: Annotated[float, Field(ge=0)]
    sample_count: Annotated[int, Field(ge=0)]
    covered_ratio: Annotated[float, Field(ge=0, le=1)]
    positions_open: Annotated[int, Field(ge=0)]


class DayRecord(BaseModel):
    """One trading day that is over.

    Attributes:
        equity: the last that was told of.
        forecast: None where value at risk could not be told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    day: _Day
    currency: Identifier
    equity: Amount
    forecast: Forecast | None = None


def forecast_of(measures: Measures, conventions: Conventions) -> Forecast | None:
    """What a snapshot's figures foresee; None where they say nothing of value at risk."""
    if not math.isfinite(measures.var_ratio):
        return None
    return Forecast(
        confidence_pct=conventions.var_confidence_pct,
        horizon_days=conventions.var_horizon_days,
        var_ratio=measures.var_ratio,
        sample_count=measures.var_sample_count,
        covered_ratio=min(measures.var_covered_ratio, 1.0),  # a sum of shares may be a hair above
        positions_open=measures.positions_open,
    )


def append_day(folder: Path, record: DayRecord) -> None:
    """Write a day down, durably. Raises OSError."""
    path = folder / DAYS_FILE
    is_new = not path.exists()
    with path.open("ab+") as stream:
        _end_the_last_line(path, stream.tell())
        stream.write(record.model_dump_json(exclude_none=True).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    if is_new:
        sync_folder(folder)


def read_days(folder: Path) -> list[DayRecord]:
    """The days of an account in order, also while an exporter writes. Raises StateError."""
    path = folder / DAYS_FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StateError(f"{path} cannot be read: {error.strerror}") from error
    found: list[DayRecord] = []
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), 1):
        try:
            record = DayRecord.model_validate_json(line)
        except ValidationError as error:
            detail = error.errors(include_url=False, include_input=False)[0]
            raise StateError(
                f"{path}, line {number} is no trading day ({detail['msg']}); restore the file, or "
                "remove the line: that day is then not judged"
            ) from error
        while found and found[-1].day >= record.day:
            found.pop()
        found.append(record)
    return found


def _end_the_last_line(path: Path, size: int) -> None:
    """Remove what a writer that died left of a line."""
    if size:
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole != size:
            os.truncate(path, whole)
