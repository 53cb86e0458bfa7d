"""freqtrade behind the risk layer: a sidecar over its REST API, and a guard inside the strategy.

``python -m risk_runtime.adapters.freqtrade`` is the sidecar; ``guard.guarded`` the decorator that a
strategy may take besides it. What each of them guarantees stands in ``docs/freqtrade.md``.
"""
