"""`riskwarden audit verifier`."""

from __future__ import annotations

from pathlib import Path

import typer

from riskwarden.auditor import riskwarden_verify


def verifier() -> None:
    """Print the program that checks exports: one file, which needs nothing else of Riskwarden."""
    typer.echo(Path(riskwarden_verify.__file__).read_text(encoding="utf-8"), nl=False)
