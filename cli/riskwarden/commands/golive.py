"""`riskwarden golive`: the checklist before real money is traded, with a report and a record."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape

from risk_policy import Policy
from risk_policy.clock import utc_now
from risk_policy.contracts.golive import GoLiveResult, Outcome
from risk_receivers.document.errors import PdfError
from risk_receivers.document.forms import Form, written
from risk_receivers.document.model import Document
from riskwarden.commands.channel_health import AuthorOption
from riskwarden.commands.common import (
    LATEST,
    DataOption,
    PolicyOption,
    err,
    fail,
    interruptible,
    out,
    policy_or_fail,
    warn,
)
from riskwarden.commands.kill import ReceiversOption
from riskwarden.commands.report.common import content_of, form_of, keep
from riskwarden.golive.checklist import CHECKS, go_through
from riskwarden.golive.document import About, document, result_of
from riskwarden.golive.finding import Line, NotKnownError
from riskwarden.golive.ground import Ground
from riskwarden.golive.vouched import VOUCHED
from riskwarden.operator import Operator, operator_name, printable
from riskwarden.stack.layout import Layout

#: What the command ends with.
EXIT_CODES: Final = {
    GoLiveResult.READY: 0,
    GoLiveResult.NOT_READY: 1,
    GoLiveResult.READY_BUT_FOR_SKIPPED: 3,
}
_STYLES: Final = {
    Outcome.PASSED: "bold green",
    Outcome.FAILED: "bold red",
    Outcome.NOT_KNOWN: "bold magenta",
    Outcome.SKIPPED: "bold yellow",
}
#: As long as a record lets a reason be.
_LONGEST: Final = 500


def golive(
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", help="A report for those who sign it: .md, .html or .pdf.", metavar="FILE"
        ),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(
            "--skip", help="A line that is not looked at; needs --because.", metavar="NAME"
        ),
    ] = None,
    because: Annotated[
        list[str] | None,
        typer.Option("--because", help="Why, one for each --skip in order.", metavar="TEXT"),
    ] = None,
    vouch: Annotated[
        list[str] | None,
        typer.Option(
            "--vouch",
            help="What no program can see, and where it is written. It stands in your name.",
            metavar="NAME=TEXT",
        ),
    ] = None,
    author: AuthorOption = None,
    drills: Annotated[
        Path, typer.Option("--drills", envvar="RISKWARDEN_DRILLS", help="Folder of the drill log.")
    ] = Path("var/drills"),
    scratch: Annotated[
        Path | None,
        typer.Option(
            "--scratch",
            help="Folder in which a backup is put back; the system's for such.",
            show_default=False,
        ),
    ] = None,
    alertmanager_config: Annotated[
        Path | None,
        typer.Option(
            "--alertmanager-config", help="The file that Alertmanager runs.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Go through the checklist before real money is traded.

    Nothing is tripped or changed; channels get a message that is marked as a test, and a backup is
    taken. Exit code 0: every line passed; 3: all but those that were skipped; 1: a line failed or
    is not known, which never counts as passed; 2: the request makes no sense.
    """
    form = form_of(None, report)
    skipped = _skipped(skip or (), because or ())
    vouched = _vouched(vouch or ())
    _require_folder(scratch, "--scratch")
    _require_folder(report.parent if report else None, "--report")
    _require_writable(form)
    loaded = policy_or_fail(policy)
    ground = Ground(
        policy=loaded,
        layout=Layout(data),
        operator=Operator(data, policy, receivers),
        author=printable(author or operator_name()),
        environ=os.environ,
        drills=drills,
        receivers=receivers,
        scratch=scratch,
        routes_file=alertmanager_config,
        vouched=vouched,
    )
    began = utc_now()
    try:
        with interruptible():
            lines = _gone_through(ground, skipped, quiet=as_json)
    except KeyboardInterrupt:
        fail("interrupted; nothing went on record, and there is no report", 130)
    digest = ""
    if report is not None:
        about = About(
            began_at=began,
            ended_at=utc_now(),
            author=ground.author,
            host=socket.gethostname(),
            environment=ground.layout.read_environment().value,
            data=str(data.absolute()),
            policy=loaded.source,
            digest=loaded.digest,
            version=version("riskwarden"),
        )
        content = content_of(document(about, lines), form)
        keep(content, report)
        digest = sha256(content).hexdigest()
    seq = _record(ground, lines, digest)
    result = result_of(lines)
    if as_json:
        typer.echo(json.dumps(_as_json(loaded, lines, digest, seq), indent=2, ensure_ascii=False))
    else:
        _conclude(lines, report, digest, seq)
    raise typer.Exit(EXIT_CODES[result])


def _require_writable(form: Form) -> None:
    """Not after a check of minutes, of which people have had a message."""
    try:
        written(Document("Before a check", (), ()), form)
    except PdfError as error:
        fail(f"--report: {error}")


def _gone_through(ground: Ground, skipped: Mapping[str, str], *, quiet: bool) -> list[Line]:
    """All of it; each line is shown as soon as it is done."""
    shown = err if quiet else out
    lines: list[Line] = []
    group = ""

    def begin(name: str) -> None:
        if err.is_terminal:
            err.print(f"[dim]{len(lines) + 1}/{len(CHECKS)} {name} …[/]", end="\r")

    for line in go_through(ground, skipped, begin):
        lines.append(line)
        if line.group != group:
            group = line.group
            shown.print(f"\n[bold]{group}[/]")
        style = _STYLES[line.outcome]
        shown.print(f"[{style}]{line.outcome.value:<9}[/] {line.name:<18} {escape(line.title)}")
        shown.print(f"[dim]{'':<28} {escape(line.finding.seen)}[/]")
        if line.outcome is not Outcome.PASSED:
            shown.print(f"{'':<28} → {escape(line.finding.to_do)}")
    return lines


def _record(ground: Ground, lines: Sequence[Line], digest: str) -> int | None:
    """The number of the record that says so; None, and why is said, if there is none."""
    body = {
        "result": result_of(lines).value,
        "environment": ground.layout.read_environment().value,
        "actor": ground.author,
        "lines": [
            {"name": one.name, "outcome": one.outcome.value, "because": one.because}
            for one in lines
        ],
        "policy_digest": ground.policy.digest,
        "report_sha256": digest,
    }
    try:
        return int(ground.ask("POST", "/api/v1/golive", body)["audit_seq"])
    except NotKnownError as error:
        warn(f"that this check was made is not on record: {error.seen}; {error.to_do}")
        return None


def _conclude(lines: Sequence[Line], report: Path | None, digest: str, seq: int | None) -> None:
    counts = {one: sum(line.outcome is one for line in lines) for one in Outcome}
    told = ", ".join(f"{count} {outcome.value}" for outcome, count in counts.items() if count)
    result = result_of(lines)
    style = "bold green" if result is GoLiveResult.READY else "bold red"
    out.print(f"\n[{style}]{result.value.upper()}[/]: {told}")
    if report is not None:
        out.print(f"written: {report}, SHA-256 {digest}", markup=False)
    if seq is not None:
        out.print(f"on record: riskwarden audit show {seq}")


def _as_json(
    policy: Policy, lines: Sequence[Line], digest: str, seq: int | None
) -> dict[str, object]:
    return {
        "result": result_of(lines).value,
        "policy_digest": policy.digest,
        "lines": [
            {
                "name": one.name,
                "group": one.group,
                "title": one.title,
                "outcome": one.outcome.value,
                "seen": one.finding.seen,
                "to_do": one.finding.to_do,
                "because": one.because,
            }
            for one in lines
        ],
        "report_sha256": digest or None,
        "audit_seq": seq,
    }


def _skipped(names: Sequence[str], reasons: Sequence[str]) -> dict[str, str]:
    if len(names) != len(reasons):
        fail("each --skip NAME needs a --because TEXT of its own: it stands in the report")
    found: dict[str, str] = {}
    for name, text in zip(names, reasons, strict=True):
        if name not in CHECKS:
            fail(f"--skip {name}: there is no such line; there are {', '.join(CHECKS)}")
        found[name] = _words("--because", text)
    return found


def _vouched(said: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in said:
        name, _, text = one.partition("=")
        if name not in VOUCHED:
            fail(f"--vouch {name}: nobody can vouch for it; there are {', '.join(VOUCHED)}")
        found[name] = _words(f"--vouch {name}", text)
    return found


def _words(option: str, text: str) -> str:
    words = printable(text).strip()
    if not words or len(words) > _LONGEST:
        fail(f"{option}: say it in words, {_LONGEST} characters at most")
    return words


def _require_folder(folder: Path | None, option: str) -> None:
    if folder is not None and not folder.is_dir():
        fail(f"{option}: {folder} is no folder")
