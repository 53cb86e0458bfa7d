"""What every report command shares: in which form it is written, and where to."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from risk_policy.visible import visible
from risk_receivers.document.errors import PdfError
from risk_receivers.document.forms import Form, suffix_of, written
from risk_receivers.document.model import Document
from riskwarden.commands.common import fail, out

FormOption = Annotated[
    Form | None,
    typer.Option(
        "--format",
        help="How it is written; by the name of --output, else Markdown.",
        show_default=False,
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="A file; standard output unless given.", show_default=False
    ),
]
#: Other ways to end a name.
_SUFFIXES: Final = {".htm": Form.HTML, ".markdown": Form.MARKDOWN} | {
    suffix_of(form): form for form in Form
}


def form_of(asked: Form | None, output: Path | None) -> Form:
    """The form that is meant, or the command ends before it has done anything."""
    if asked is None and output is not None and output.suffix:
        asked = _SUFFIXES.get(output.suffix.lower())
        if asked is None:
            names = ", ".join(suffix_of(form) for form in Form)
            fail(
                f"--output {output}: {output.suffix} is no form; end it in {names} or say --format"
            )
    form = asked or Form.MARKDOWN
    if form is Form.PDF and output is None and sys.stdout.isatty():
        fail("a PDF is nothing for a terminal; name a file with --output")
    return form


def deliver(document: Document, form: Form, output: Path | None) -> None:
    """Write a document where it is wanted, or the command ends saying why it cannot be."""
    content = content_of(document, form)
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    keep(content, output)
    out.print(f"written: {output}")


def content_of(document: Document, form: Form) -> bytes:
    """A document as its file holds it, or the command ends saying why it cannot be."""
    try:
        content = written(document, form)
    except PdfError as error:
        fail(str(error), 1)
    if form is Form.PDF:
        return content
    # Whoever can set a label must not steer a reader's terminal.
    return visible(content.decode("utf-8", "replace")).encode()


def keep(content: bytes, output: Path) -> None:
    """Write a file whole, or the command ends saying why it cannot be."""
    try:
        _replace(output, content)
    except OSError as error:
        fail(f"{error.filename or output}: {error.strerror}", 1)


def _replace(path: Path, content: bytes) -> None:
    """A file is the whole document, or what it was before."""
    if path.exists() and not path.is_file():  # /dev/stdout, a pipe
        path.write_bytes(content)
        return
    staging = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        staging.write_bytes(content)
        staging.replace(path)
    finally:
        staging.unlink(missing_ok=True)
