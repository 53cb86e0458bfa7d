"""promtool unit tests for every generated rule: below, at and above each threshold, and more.

They are generated beside the rules but from the catalogue, not from the rules' text: what
they expect is worded, timed and computed again, and Prometheus's own engine compares.
"""

from risk_rules.proofs.files import unit_tests

__all__ = ["unit_tests"]
