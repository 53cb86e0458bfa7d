"""The reports that were written, over the API: what there is, and one of them as it is.

They hold what people wrote, so a browser is told to keep one and not to show it as ours.
"""

from __future__ import annotations

import contextlib
import re
from datetime import datetime
from pathlib import Path
from typing import Final

from flask import Blueprint, Response, jsonify, send_from_directory

from risk_receivers.caller import problem
from risk_receivers.shapes.system import Report

#: ``daily-20260301-20260301.html``: the kind, the first and the last day of its period.
FILE_NAME: Final = re.compile(
    r"(?P<kind>[a-z]+)-(?P<first>\d{8})-(?P<last>\d{8})\.(?P<format>md|html|pdf)"
)
#: What is text is UTF-8, which Flask says by itself.
_TYPES: Final = {
    "md": "text/markdown",
    "html": "text/html",
    "pdf": "application/pdf",
}


def report_views(folder: Path) -> Blueprint:
    """The views."""
    api = Blueprint("reports", __name__, url_prefix="/api/v1")

    @api.get("/reports")
    def reports() -> Response:
        return jsonify(reports=written(folder))

    @api.get("/reports/<report>")
    def one(report: str) -> Response:
        name = FILE_NAME.fullmatch(report)
        if name is None or not (folder / report).is_file():
            return problem(404, f"there is no report {report}; GET /api/v1/reports names them")
        return send_from_directory(
            folder.absolute(),
            report,
            mimetype=_TYPES[name["format"]],
            as_attachment=True,
            max_age=0,
        )

    return api


def written(folder: Path) -> list[Report]:
    """The reports of a folder, the latest period first; none if there is no folder."""
    found: list[Report] = []
    for path in folder.iterdir() if folder.is_dir() else ():
        # What only looks like one, or is being taken away just now, hides no other.
        with contextlib.suppress(ValueError, OSError):
            if (name := FILE_NAME.fullmatch(path.name)) is not None and path.is_file():
                found.append(_told(path, name))
    return sorted(found, key=lambda one: (one["last_day"], one["name"]), reverse=True)


def _told(path: Path, name: re.Match[str]) -> Report:
    return {
        "name": path.name,
        "kind": name["kind"],
        "first_day": _day(name["first"]),
        "last_day": _day(name["last"]),
        "format": name["format"],
        "bytes": path.stat().st_size,
    }


def _day(digits: str) -> str:
    return datetime.strptime(digits, "%Y%m%d").date().isoformat()  # noqa: DTZ007 - a day has none
