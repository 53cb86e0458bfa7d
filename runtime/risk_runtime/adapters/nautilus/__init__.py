"""Riskwarden inside nautilus_trader (``pip install riskwarden[nautilus]``)::

with risk_layer(policy, data=Path("var/risk"), gate=Path("var/gate")) as layer:
    RiskGuard(layer, RiskGuardConfig(account="main")).attach(node)
    node.run()
"""

from __future__ import annotations

from risk_runtime.adapters.layer import RiskLayer, risk_layer
from risk_runtime.adapters.nautilus.config import RiskGuardConfig
from risk_runtime.adapters.nautilus.guard import RiskGuard

__all__ = ["RiskGuard", "RiskGuardConfig", "RiskLayer", "risk_layer"]
