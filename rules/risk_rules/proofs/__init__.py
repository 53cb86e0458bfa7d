"""Tests that prove the generated rules, for promtool."""

from risk_rules.proofs.files import unit_tests

__all__ = ["unit_tests"]
