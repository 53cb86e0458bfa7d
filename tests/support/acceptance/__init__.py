"""Acceptance: what the roadmap asks for, and what was seen when it was looked at, in one report.

What is asked for stands in tests/acceptance, as data; the tests that show it are part of the suite.
"""
