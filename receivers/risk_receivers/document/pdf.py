"""A document as PDF, made of the same page by WeasyPrint.

Why WeasyPrint: it is kept well, runs without a browser, a sandbox or root, and makes tagged,
reproducible files of the very HTML that people see on a screen. It needs Pango, which is a
package of the system, and much more memory than the receivers have; so it runs in a process of
its own that ends with the document, knows no secret, may reach no network and is given up
after a time.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from risk_receivers.document.errors import PdfError
from risk_receivers.document.html import paper
from risk_receivers.document.model import Block, Document, Paragraph, Section, Table
from risk_receivers.surroundings import without_secrets

#: Seconds: the longest document that is sensible on paper takes a tenth of that.
LONGEST_SECONDS: Final = 300.0
#: Rows of one table. A thousand take some seconds and forty sheets; nobody reads more on paper.
MOST_ROWS: Final = 2000
_HOW: Final = (
    "pip install 'riskwarden[pdf]' and, on Debian, apt-get install libpango-1.0-0 "
    "libpangoft2-1.0-0 fonts-dejavu-core; or ask for HTML"
)


def pdf(document: Document, *, longest_seconds: float = LONGEST_SECONDS) -> bytes:
    """The document on paper. Raises PdfError."""
    page = paper(replace(document, blocks=_shortened(document.blocks)))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "risk_receivers.document.weasy"],
            input=page.encode("utf-8", "replace"),
            capture_output=True,
            env=without_secrets(),
            cwd=Path(__file__).parents[2],  # finds this package wherever it was installed
            timeout=longest_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PdfError(
            f"the PDF was not ready after {longest_seconds:g} s; ask for a shorter period, or for "
            "HTML, which takes no time"
        ) from None
    except OSError as error:
        raise PdfError(f"no PDF can be made: {error}; ask for HTML") from error
    if done.returncode or not done.stdout.startswith(b"%PDF-"):
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise PdfError(f"no PDF can be made: {lines[-1] if lines else 'it ended'}; {_HOW}")
    return done.stdout


def _shortened(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    shortened: list[Block] = []
    for block in blocks:
        if isinstance(block, Section):
            shortened.append(replace(block, blocks=_shortened(block.blocks)))
        elif isinstance(block, Table) and len(block.rows) > MOST_ROWS:
            left = len(block.rows) - MOST_ROWS
            shortened.append(replace(block, rows=block.rows[:MOST_ROWS]))
            shortened.append(
                Paragraph(f"{left} more rows are left out on paper; HTML and Markdown have all.")
            )
        else:
            shortened.append(block)
    return tuple(shortened)
