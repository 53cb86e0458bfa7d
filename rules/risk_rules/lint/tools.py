"""What promtool, amtool and amlint say, as findings. Starting them is the command's business."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from risk_rules.lint.finding import Finding, Level

#: Lines that tell of no fault by themselves.
_IDLE: Final = re.compile(
    r"^\s*(SUCCESS.*|Found:|- \d+ .*|amtool: error: failed to validate .*|Checking [^']*)?\s*$"
)
_FAILED: Final = re.compile(r"^(?:Checking '(?P<file>[^']*)')?\s*FAILED:\s*(?P<message>.*)$")
_PLACED: Final = re.compile(r"^(?P<file>\S+\.ya?ml):\s*(?:(?P<line>\d+):\d+:\s*)?(?P<message>.+)$")

#: What amlint looks at and nobody else does. The rest amtool finds, or the checks here, which know
#: the alerts.
AMLINT_ADDS: Final = ",".join(
    (
        "bad-template", "template-unknown-field", "undefined-template", "template-file-missing",
        "stripped-brace", "wait-exceeds-interval", "route-always-muted",
        "time-interval-never-active",
    )
)  # fmt: skip
_LEVELS: Final = {"error": Level.ERROR, "warn": Level.WARNING}


def amlint_findings(file: str, output: str) -> Iterator[Finding]:
    """Findings from amlint's JSON; a file that it cannot read is for amtool to tell of."""
    try:
        content = json.loads(output)
    except ValueError:
        return
    for each in content if isinstance(content, list) else ():
        if isinstance(each, dict) and each.get("level") in _LEVELS:
            code = str(each.get("code", ""))
            yield Finding(
                check="amlint",
                level=_LEVELS[each["level"]],
                message=f"{each.get('where', '')}: {each.get('message', '')}".removeprefix(": "),
                remedy=f"amlint explain {code}",
                file=file,
                line=int(each.get("line") or 0),
            )


def findings_of(tool: str, files: Mapping[str, str], code: int, output: str) -> Iterator[Finding]:
    """Findings from a tool's output: one for each file and place, whatever lines it takes.

    Args:
        files: names as the tool was given them -> names as they are shown.
        code: what the tool ended with, 0 if it is content.
    """
    if code == 0:
        return
    alone = next(iter(files.values())) if len(files) == 1 else ""
    found: list[tuple[str, int, list[str]]] = []
    for line in output.splitlines():
        text = line
        for given, shown in files.items():
            text = text.replace(given, shown)
        if failed := _FAILED.match(text):
            words = [failed["message"]] if failed["message"] else []
            found.append((failed["file"] or alone, 0, words))
        elif placed := _PLACED.match(text):
            found.append((placed["file"], int(placed["line"] or 0), [placed["message"]]))
        elif not _IDLE.match(text):
            if not found:
                found.append((alone, 0, []))
            found[-1][2].append(text.strip())
    said = [(file, line, " ".join(words)) for file, line, words in found if words]
    for file, number, message in said or [(alone, 0, f"ended with {code} and said nothing")]:
        yield Finding(
            check=tool,
            level=Level.ERROR,
            message=message,
            remedy=f"mend it until {tool} is content; generated files: mend the policy instead",
            file=file,
            line=number,
        )
