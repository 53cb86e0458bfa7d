"""What all tests share: none of them fails because the machine was busy."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("riskwarden", deadline=None)
settings.load_profile("riskwarden")
