"""Read a request's reports: one that makes no sense is named and costs its neighbours nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import from_json

from risk_policy.contracts.reports import Report, ReportBatch
from risk_receivers.errors import ReceiversError
from risk_receivers.invalid import problems_of
from risk_receivers.reports.recording import Refusal, Rejected

#: Where in the body a report stands: ("reports", 3, ...).
_REPORTS: Final = "reports"
_DEPTH: Final = 2
_TOO_FEW: Final = "too_short"


class UnreadableReportsError(ReceiversError):
    """The body holds no reports that could be told apart; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a body holds."""

    reports: tuple[Report, ...]
    rejected: tuple[Rejected, ...] = ()


def read_reports(body: bytes) -> Found:
    """The reports, and what is wrong with the others. Raises UnreadableReportsError."""
    try:
        return Found(ReportBatch.model_validate_json(body).reports)
    except ValidationError as error:
        return _sort_out(body, error)


def _sort_out(body: bytes, error: ValidationError) -> Found:
    problems: dict[int, list[str]] = {}
    details = error.errors(include_url=False, include_context=False, include_input=False)
    # Where no report is left, their number is complained of too.
    for detail in [each for each in details if len(each["loc"]) > 1 or each["type"] != _TOO_FEW]:
        place = detail["loc"]
        if len(place) < _DEPTH or place[0] != _REPORTS or not isinstance(place[1], int):
            raise UnreadableReportsError(problems_of(error))
        problem = f"{'.'.join(map(str, place))}: {detail['msg']}"
        problems.setdefault(place[1], []).append(problem)
    if not problems:
        raise UnreadableReportsError(problems_of(error))
    found: list[Any] = from_json(body)[_REPORTS]
    good = [report for number, report in enumerate(found) if number not in problems]
    return Found(
        ReportBatch.model_validate({_REPORTS: good}).reports if good else (),
        tuple(
            Rejected(_id_of(found[number]), "; ".join(lines), Refusal.INVALID)
            for number, lines in problems.items()
        ),
    )


def _id_of(report: object) -> str:
    """How its sender calls a report that could not be read."""
    found = report.get("id") if isinstance(report, dict) else None
    return found[:64] if isinstance(found, str) else ""
