"""The process that makes a PDF: a page in, a file out. It fetches nothing at all."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> None:
    """Read a page, write its PDF; what is missing is told in the last line."""
    page = sys.stdin.buffer.read().decode()
    try:
        # Importing fails with OSError where Pango is missing.
        from weasyprint import HTML
    except (ImportError, OSError) as error:
        sys.exit(" ".join(str(error).split()))
    made = HTML(string=page, url_fetcher=_refused).write_pdf(pdf_variant="pdf/ua-1")
    sys.stdout.buffer.write(made or b"")


def _refused(url: str, *_: object, **__: object) -> NoReturn:
    raise ValueError(f"a document holds everything that it shows, and not {url[:60]}")


if __name__ == "__main__":
    main()
