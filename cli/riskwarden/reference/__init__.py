"""Reference documents that are generated from the policy and the catalogue, as Markdown."""

from __future__ import annotations

from riskwarden.reference.runbooks import runbooks

__all__ = ["runbooks"]
