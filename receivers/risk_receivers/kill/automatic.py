"""What a trip does that nobody asked for: an alert's, as the policy has it. Pure.

It errs towards more: an alert that does not say its account, or says one that a scope cannot be
written with, is about everything.
"""

from __future__ import annotations

from dataclasses import dataclass

from risk_policy.contracts.alert import NO_ACCOUNT
from risk_policy.contracts.scope import EVERYTHING, Scope
from risk_policy.model.stack import AutomaticScope
from risk_policy.vocabulary import KillMode
from risk_receivers.intake.alert import Alert


@dataclass(frozen=True, slots=True)
class Automatic:
    """The policy's terms.

    Attributes:
        mode: how open positions are treated.
        scope: what is covered. Strategy, venue and symbol of an alert do not narrow it: that one
            symbol is in breach says nothing of what else the account holds.
    """

    mode: KillMode
    scope: AutomaticScope = AutomaticScope.EVERYTHING

    def scope_of(self, alert: Alert) -> Scope:
        """What the trip of an alert covers."""
        account = alert.labels.get("account", "")
        if self.scope is AutomaticScope.EVERYTHING or account in ("", NO_ACCOUNT):
            return EVERYTHING
        scope = Scope(account=account)
        try:
            return scope if Scope.parse(str(scope)) == scope else EVERYTHING
        except ValueError:
            return EVERYTHING
