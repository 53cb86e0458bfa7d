"""What can go wrong while rules are generated. Nothing is written then."""

from __future__ import annotations


class RulesError(Exception):
    """Base of every error of this package."""


class ExpressionError(RulesError):
    """A PromQL expression cannot be built from what it was given."""


class NoRulesError(RulesError):
    """The policy yields no rules: a silent risk layer must never look like a calm market."""


class PhaseError(RulesError):
    """When Prometheus scrapes or evaluates cannot be told, so no name can be chosen for it."""
