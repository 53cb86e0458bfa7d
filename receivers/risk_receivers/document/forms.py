"""The forms that a document has, in one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from risk_receivers.document.html import html
from risk_receivers.document.markdown import markdown
from risk_receivers.document.model import Document
from risk_receivers.document.pdf import pdf


class Form(StrEnum):
    """How a document is written down."""

    MARKDOWN = "markdown"
    HTML = "html"
    PDF = "pdf"


@dataclass(frozen=True, slots=True)
class _Made:
    suffix: str
    make: Callable[[Document], bytes]


_MADE: Final = {
    Form.MARKDOWN: _Made(".md", lambda one: markdown(one).encode()),
    Form.HTML: _Made(".html", lambda one: html(one).encode()),
    Form.PDF: _Made(".pdf", pdf),
}


def written(document: Document, form: Form) -> bytes:
    """A document in a form. Raises PdfError."""
    return _MADE[form].make(document)


def suffix_of(form: Form) -> str:
    """How names of files in a form end."""
    return _MADE[form].suffix
