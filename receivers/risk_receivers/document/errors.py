"""What can go wrong with a document's form."""

from __future__ import annotations

from risk_receivers.errors import ReceiversError


class PdfError(ReceiversError):
    """No PDF: what it takes is missing, or it took too long. The other forms need nothing."""
