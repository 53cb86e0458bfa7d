"""`riskwarden audit export`."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Iterator
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

import typer

from risk_policy import Policy, UnsetVariableError
from risk_policy.clock import utc_now
from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.environment import Secret
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit import export as exporting
from risk_receivers.audit.errors import AuditError, DamagedRecordError
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.export import Plan, Progress, Written
from risk_receivers.audit.selection import Selection
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.database.place import Place
from riskwarden.commands.audit import filters as by
from riskwarden.commands.audit import shown
from riskwarden.commands.audit.common import DatabaseOption, database_or_fail, progress_bar
from riskwarden.commands.common import (
    LATEST,
    DataOption,
    PolicyOption,
    fail,
    interruptible,
    out,
    policy_or_fail,
    warn,
)
from riskwarden.on_record import NotRecordedError, can_be_written, is_a_store, record
from riskwarden.operator import operator_name, printable
from riskwarden.sealed import Seal, SealError, Staged, check_recipients, publish, staged, taken

_VARIABLE: Final = "RISKWARDEN_EXPORT_PASSPHRASE"
_PASSPHRASE: Final = Secret(f"${{{_VARIABLE}}}")
#: The signer announces nothing to another process; it takes a second or less.
_LOOK_SECONDS: Final = 0.1
_CSV_SAYS: Final = "# for reading only: nothing in CSV can be verified; the JSON export can\n"


class Format(StrEnum):
    """As the policy calls them."""

    JSON = "json"
    CSV = "csv"


def export(
    destination: Annotated[Path, typer.Argument(help="The file; .gz and .age are added to it.")],
    first: Annotated[
        int | None, typer.Option("--first", min=1, help="From this record on.")
    ] = None,
    last: Annotated[int | None, typer.Option("--last", min=1, help="Up to this record.")] = None,
    since: by.SinceOption = None,
    until: by.UntilOption = None,
    types: by.TypesOption = None,
    severity: by.SeveritiesOption = None,
    category: by.CategoriesOption = None,
    account: by.AccountsOption = None,
    actor: by.ActorsOption = None,
    alert: by.AlertsOption = None,
    text: by.TextOption = "",
    form: Annotated[
        Format | None,
        typer.Option("--format", help="json, to be verified, or csv, for reading only."),
    ] = None,
    gzip: Annotated[
        bool | None, typer.Option("--gzip/--no-gzip", help="Compressed.", show_default="the policy")
    ] = None,
    age_recipient: Annotated[
        list[str] | None,
        typer.Option("--age-recipient", metavar="KEY", help="Encrypted for this age or SSH key."),
    ] = None,
    passphrase_file: Annotated[
        Path | None,
        typer.Option(
            "--passphrase-file",
            help="Encrypted with the passphrase in it; or set RISKWARDEN_EXPORT_PASSPHRASE.",
        ),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="What for; it goes on record.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    no_record: Annotated[
        bool, typer.Option("--no-record", help="Of a copy: put nothing on record.")
    ] = False,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    database: DatabaseOption = None,
) -> None:
    """Write records to a file that `riskwarden-verify` checks anywhere, without this program.

    Filters withhold the payloads of what they leave out; that it was there stays to be seen. That
    it was exported, by whom, which records and the file's digest go on record first.
    """
    loaded = policy_or_fail(policy)
    path = database_or_fail(database, data, policy)
    selection = by.selection_or_fail(
        since, until, types, severity, category, account, actor, alert, text, first=first, last=last
    )
    chosen = format_or_fail(loaded, form, destination)
    if gzip is None and ".gz" in destination.suffixes:
        gzip = True
    seal = seal_or_fail(loaded, tuple(age_recipient or ()), passphrase_file, gzip=gzip)
    target = _target_or_fail(destination, seal, force=force)
    _require_record(path, no_record=no_record)
    try:
        what = _signed_plan(path, selection, loaded)
        written = Written()
        with interruptible(), progress_bar("exporting") as (progress,):
            content = _content(path, what, chosen, written, progress)
            with staged(target, content, seal) as file:
                if not no_record:
                    event = exported_event(what, chosen, written, seal, file, target, reason)
                    record(path, loaded, event)
                publish(file, target, force=force)
    except DamagedRecordError as error:
        fail(f"{path}: {error}; run riskwarden audit verify. Nothing was exported", 1)
    except (AuditError, SealError, *DATABASE_ERRORS) as error:
        fail(str(error))
    except NotRecordedError as error:
        fail(f"{error}; nothing was exported, since it could not be put on record")
    except KeyboardInterrupt:
        fail("interrupted; nothing was exported", 130)
    if chosen is Format.CSV:
        warn("CSV is for reading only: it proves nothing; give auditors the JSON export")
    out.print(_told(target, what, written, file), markup=False)


def _signed_plan(path: Place, selection: Selection, policy: Policy) -> Plan:
    """What is exported, once the signer has had the time that it may take."""
    until = time.monotonic() + 2 * policy.alerting.audit.signing.checkpoint_seconds
    while True:
        what = exporting.plan(path, selection)
        if what.is_signed or not what.checkpoints:
            return what
        if time.monotonic() >= until:
            warn(
                f"the signer has not signed record {what.last} yet: whoever verifies the export is "
                f"told that nobody vouches for what follows on {what.checkpoints[-1][0]}"
            )
            return what
        time.sleep(_LOOK_SECONDS)


def _target_or_fail(destination: Path, seal: Seal, *, force: bool) -> Path:
    """The file that it will be, or the command ends. Nothing else is ever replaced by one."""
    if ".age" in destination.suffixes and not seal.encrypts:
        fail(
            f"{destination}: is called encrypted; name who may read it with --age-recipient, or "
            "give a passphrase"
        )
    target = seal.named(destination)
    for path in (destination, target):
        if path.exists() and not path.is_file():
            fail(f"{path}: is no file; name the file that is to be written")
    if target.exists() and not force:
        fail(taken(target))
    return target


def format_or_fail(policy: Policy, asked: Format | None, destination: Path) -> Format:
    """The format that was asked for, by its name or the file's; the policy's first otherwise."""
    allowed = [Format(one) for one in policy.alerting.audit.export.formats]
    if asked is None:
        endings = {ending.lstrip(".").removesuffix("l") for ending in destination.suffixes}
        asked = next((one for one in Format if one.value in endings), None)  # .jsonl is JSON, too
    if asked is None:
        return allowed[0] if allowed else Format.JSON
    if asked not in allowed:
        fail(f"alerting.audit.export.formats allows {', '.join(allowed) or 'none'}, not {asked}")
    return asked


def seal_or_fail(
    policy: Policy,
    recipients: tuple[str, ...],
    passphrase_file: Path | None,
    *,
    gzip: bool | None,
) -> Seal:
    """How the file is sealed, or the command ends."""
    terms = policy.alerting.audit.export
    passphrase = _passphrase_or_fail(passphrase_file) if not recipients else ""
    if recipients and passphrase_file is not None:
        fail("--age-recipient and --passphrase-file exclude each other")
    if terms.encrypt and not recipients and not passphrase:
        fail(
            "alerting.audit.export.encrypt = true: name who may read it with --age-recipient, or "
            "give --passphrase-file or RISKWARDEN_EXPORT_PASSPHRASE"
        )
    try:
        check_recipients(recipients)
    except SealError as error:
        fail(f"--age-recipient: {error}")
    return Seal(terms.compress if gzip is None else gzip, recipients, passphrase)


def exported_event(
    what: Plan, form: Format, written: Written, seal: Seal, file: Staged, target: Path, reason: str
) -> AuditEvent:
    """What goes on record of an export."""
    by_whom = operator_name()
    return AuditEvent(
        EventType.AUDIT_EXPORTED,
        f"audit records {what.first} to {what.last} exported by {by_whom} to {target.name}",
        severity=Severity.INFO,
        category=Category.SECURITY,
        actor_type=ActorType.USER,
        actor_id=by_whom,
        action_taken="exported",
        action_reason=printable(reason),
        details={
            "first": what.first,
            "last": what.last,
            "shown": written.shown,
            "withheld": written.withheld,
            # JSON as it is, which a dict of unlike values cannot be typed as.
            "filters": exporting.filters(what.selection),  # type: ignore[dict-item]
            "format": form.value,
            "content_sha256": written.digest,
            "file_sha256": file.digest,
            "file": target.name,
            "encrypted": "age" if seal.recipients else "passphrase" if seal.encrypts else "no",
            "recipients": list(seal.recipients),
        },
    )


def _require_record(path: Place, *, no_record: bool) -> None:
    if no_record and is_a_store(path):
        fail(f"{path}: is a store and no copy; what is exported from it goes on record")
    if not no_record and not is_a_store(path):
        fail(f"{path}: is a copy, which nothing writes to; add --no-record to export from it")
    if not no_record and not can_be_written(path):
        fail(
            f"{path}: may not be written to, so that nothing can be put on record; run it as the "
            "receivers' user, or with --no-record on a copy"
        )


def _passphrase_or_fail(file: Path | None) -> str:
    """The passphrase that was given in one of the ways, empty if none was, or the command ends.

    Whoever has set one means it: what cannot be read never lets an export out unencrypted.
    """
    given = next((name for name in (_VARIABLE, f"{_VARIABLE}_FILE") if name in os.environ), "")
    if file is None and not given:
        return ""
    source = given if file is None else f"--passphrase-file {file}"
    try:
        found = _PASSPHRASE.reveal() if file is None else file.read_text(encoding="utf-8")
    except UnsetVariableError:
        fail(f"{source} is set, but holds no passphrase, or names no file that can be read")
    except (OSError, ValueError) as error:
        fail(f"{source}: cannot be read: {error}")
    if not (found := found.strip("\r\n")):
        fail(f"{source}: is empty")
    return found


def _content(
    path: Place, what: Plan, form: Format, written: Written, progress: Progress
) -> Iterator[bytes]:
    if form is Format.JSON:
        return exporting.lines(path, what, utc_now(), written, progress)
    return _csv(path, what, written, progress)


def _csv(path: Place, what: Plan, written: Written, progress: Progress) -> Iterator[bytes]:
    """Those that are wanted, for people; there is no withholding where nothing is proven."""
    digest = sha256()
    for row in _csv_rows(path, what, written, progress):
        digest.update(row)
        yield row
    written.digest = digest.hexdigest()


def _csv_rows(path: Place, what: Plan, written: Written, progress: Progress) -> Iterator[bytes]:
    yield _CSV_SAYS.encode()
    yield _row(shown.CSV_COLUMNS)
    for one, is_wanted in exporting.chosen(path, what, progress):
        if is_wanted and one.event is not None:
            if one.event.payload is None:
                written.deleted += 1
            else:
                written.shown += 1
            yield _row(shown.csv_row(one.event))


def _row(cells: tuple[str, ...] | list[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()


def _told(target: Path, what: Plan, written: Written, file: Staged) -> str:
    withheld = f", {written.withheld} withheld" if written.withheld else ""
    deleted = f", {written.deleted} deleted by retention" if written.deleted else ""
    return (
        f"{target}: records {what.first} to {what.last}, {written.shown} shown{withheld}{deleted}, "
        f"{file.size} bytes, SHA-256 {file.digest}"
    )
