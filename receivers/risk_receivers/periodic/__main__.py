"""The process that writes a report: an order in, an answer out, files in between.

It runs beside the service, which must not wait for it, and gives way to it. Its surroundings hold
no secret; how a database server is reached stands in the order alone. A file is the whole report
or not there at all.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Final

import msgspec

from risk_receivers.audit.errors import AuditError
from risk_receivers.document.errors import PdfError
from risk_receivers.document.forms import Form, suffix_of, written
from risk_receivers.document.model import Document
from risk_receivers.periodic.in_short import in_short
from risk_receivers.periodic.kinds import KINDS
from risk_receivers.periodic.order import Answer, File, Order
from risk_receivers.periodic.subject import gather

_NICE: Final = 10


def main() -> None:
    """Do what standard input orders."""
    os.nice(_NICE)
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    try:
        answer = carry_out(order)
    except (AuditError, OSError) as error:
        sys.exit(" ".join(str(error).split()))
    sys.stdout.buffer.write(msgspec.json.encode(answer))


def carry_out(order: Order) -> Answer:
    """Write the report. Raises UnreadableDatabaseError, or OSError if no file can be written."""
    subject = gather(
        order.terms,
        order.place,
        order.period,
        made_at=order.made_at,
        prometheus=order.prometheus,
        signing_key=Path(order.signing_key),
    )
    document = KINDS[order.kind].write(subject)
    files, problems = [], []
    for name in order.forms:
        try:
            files.append(_write(document, Form(name), order))
        except PdfError as error:
            problems.append(str(error))
    if not files:  # it is wanted as PDF alone, and what makes one is missing
        files.append(_write(document, Form.HTML, order))
    return Answer(
        title=document.title,
        lines=in_short(document, subject),
        files=tuple(files),
        problems=tuple(problems),
        head=str(subject.verification.tree),
        is_trustworthy=subject.is_trustworthy,
    )


def _write(document: Document, form: Form, order: Order) -> File:
    folder = Path(order.folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = written(document, form)
    path = folder / f"{order.name}{suffix_of(form)}"
    staging = path.with_name(f".{path.name}.new")
    try:
        handle = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        staging.replace(path)
    finally:
        staging.unlink(missing_ok=True)
    return File(path.name, len(content), hashlib.sha256(content).hexdigest())


if __name__ == "__main__":
    main()
