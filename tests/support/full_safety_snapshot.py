"""A safety snapshot with an entry in every list, and nothing left out."""

from __future__ import annotations

from typing import Any

AT = "2026-03-02T15:00:00Z"
HASH = "a" * 64
FULL: dict[str, Any] = {
    "schema_version": 1,
    "taken_at": AT,
    "kernel_forbade_writing": True,
    "environment_id": "alerting-aaaaaaaaaaaa",
    "data": "/srv/riskwarden",
    "stack_environment": "paper",
    "safety": {
        "live_orders": "impossible",
        "is_live_execution_ruled_out": True,
        "adds_risk": "refused",
        "statement": "No order.",
        "reasons": [{"bearing": "holds", "about": "account main", "text": "mode is paper"}],
    },
    "gating": [
        {
            "account": "main",
            "told": {
                "mode": "live",
                "enable_live_trading": True,
                "live_mode_armed": False,
                "live_dry_run": True,
                "require_confirm_token": True,
                "confirm_token_present": False,
            },
            "effective_mode": "live_dry_run",
            "live_orders": "impossible",
            "refusals": ["gate 2"],
            "untold": ["live_mode_armed"],
            "told_at": AT,
            "age_seconds": 1.0,
            "is_current": True,
            "whence": ["/srv/riskwarden/runtime/exporter/main"],
            "currency": "USD",
            "equity": 100_000.0,
        }
    ],
    "limits": {
        "are_known": True,
        "enabled": True,
        "source": "policy/alerting.toml",
        "digest": HASH,
        "digests_elsewhere": {"gate": HASH},
        "in_force": True,
        "orders": [
            {
                "name": "max_notional_per_order",
                "ratio_of_equity": 0.2,
                "key": "alerting.pre_trade.order_max_pct",
                "line": 3,
                "amounts": {"main": 20_000.0},
                "note": "of equity",
            }
        ],
        "settings": [
            {
                "key": "alerting.thresholds.portfolio.max_drawdown_emergency_pct",
                "value": 20.0,
                "line": 41,
                "alerts": [
                    {
                        "alert": "DRAWDOWN_EMERGENCY",
                        "limit": "drawdown",
                        "tier": "emergency",
                        "action": "kill_switch",
                    }
                ],
            },
            {
                "key": "alerting.pre_trade.disabled_symbols",
                "value": ["LUNA-USD"],
                "line": None,
                "alerts": [],
            },
        ],
    },
    "kill_switches": [
        {
            "scope": "*",
            "state": "TRIPPED",
            "mode": "pause",
            "kill_id": "k1",
            "cause": "a test",
            "level": "operator",
            "since": AT,
            "on_record": True,
            "at_gate": True,
        }
    ],
    "restrictions": [
        {
            "id": "r7",
            "kind": "reduce_size",
            "scope": "account=main",
            "size_ratio": 0.5,
            "cause": "LOSSES",
            "level": "warning",
            "since": AT,
            "until": "alert_ends",
            "on_record": True,
            "at_gate": True,
        }
    ],
    "gate": {
        "folder": "/srv/riskwarden/gate",
        "state": "halted",
        "adds_risk": "refused",
        "reason": "kill switch tripped",
        "version": 7,
        "lease_seconds": 1.5,
        "longest_lease_seconds": 3.0,
        "kill_order": False,
        "published_at": AT,
    },
    "drills": [
        {
            "scenario": "kill-pause",
            "title": "kill switch, mode pause",
            "drill_id": "DRILL-0001",
            "result": "PASS",
            "ended_at": AT,
            "environment": "paper",
            "operator": "olga",
            "evidence": "audit chain",
            "record": "audit.db:7",
        }
    ],
    "chain": {
        "head": f"9:{HASH}",
        "noted_head": f"9:{HASH}",
        "signed_head": f"9:{HASH}",
        "is_whole": True,
        "last_recorded_at": AT,
        "found_intact": True,
    },
    "versions": {
        "riskwarden": "0.1.0",
        "python": "3.11.7",
        "prometheus": "2.42.0",
        "alertmanager": "0.25.0",
    },
    "digests": {
        "policy": HASH,
        "rules": HASH,
        "rule_files": {"drawdown.yml": HASH},
        "prometheus_config": HASH,
        "alertmanager_config": HASH,
        "gate": HASH,
    },
    "sources": [
        {
            "name": "policy",
            "where": "policy/alerting.toml",
            "state": "read",
            "as_of": AT,
            "age_seconds": 1.0,
            "note": "",
        }
    ],
}
