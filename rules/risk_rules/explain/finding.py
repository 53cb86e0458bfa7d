"""An alert by its name, or what might have been meant."""

from __future__ import annotations

import difflib

from risk_policy.catalogue import runbooks
from risk_policy.catalogue.limits import LIMITS, AlertSpec, Limit
from risk_policy.catalogue.system import SYSTEM_ALERTS, SystemAlert
from risk_rules.errors import RulesError


class UnknownAlertError(RulesError):
    """There is no such alert."""

    def __init__(self, name: str) -> None:
        known = {each.casefold(): each for each in runbooks.names()}
        close = difflib.get_close_matches(name.casefold(), known, n=3, cutoff=0.5)
        self.suggestions = tuple(known[each] for each in close)
        listed = " or ".join(self.suggestions)
        hint = f"did you mean {listed}?" if listed else "without a name, all are listed"
        super().__init__(f"there is no alert {name!r}; {hint}")


def find(name: str) -> tuple[Limit, AlertSpec] | SystemAlert:
    """An alert by its name, however it is capitalised. Raises UnknownAlertError."""
    for limit in LIMITS:
        for spec in limit.alerts:
            if spec.name.casefold() == name.casefold():
                return limit, spec
    for alert in SYSTEM_ALERTS:
        if alert.name.casefold() == name.casefold():
            return alert
    raise UnknownAlertError(name)
