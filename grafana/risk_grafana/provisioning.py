"""What Grafana reads as it starts: the data source, and where the dashboards lie."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from risk_grafana.variables import DATASOURCE_NAME, DATASOURCE_UID
from risk_policy.contracts.artefact import duration
from risk_policy.contracts.document import render
from risk_policy.model import Policy

#: Where Grafana finds the dashboards, unless the environment says otherwise.
DASHBOARDS_PATH: Final = "/var/lib/grafana/dashboards/riskwarden"
_FOLDER: Final = "Riskwarden"
#: How often Grafana looks for dashboards that have changed.
_LOOK_SECONDS: Final = 30
_COMMENT: Final = f"""
Copy, mount or link grafana/generated to {DASHBOARDS_PATH}.
"""


def provisioning(policy: Policy) -> dict[str, str]:
    """File name -> content, below Grafana's provisioning folder. Raises ArtefactError."""
    return {
        "datasources/riskwarden.yaml": render(policy, _datasources(policy)),
        "dashboards/riskwarden.yaml": render(policy, _dashboards(), _COMMENT.strip()),
    }


def _datasources(policy: Policy) -> dict[str, Any]:
    return {"apiVersion": 1, "datasources": list(_sources(policy))}


def _sources(policy: Policy) -> Iterator[dict[str, Any]]:
    timing = policy.alerting.prometheus
    yield {
        "name": DATASOURCE_NAME,
        "uid": DATASOURCE_UID,
        "type": "prometheus",
        "access": "proxy",
        "url": f"http://{policy.alerting.endpoints.prometheus}",
        "isDefault": False,
        "editable": False,
        "jsonData": {
            "httpMethod": "POST",
            "prometheusType": "Prometheus",
            # What $__rate_interval and the least step are computed from.
            "timeInterval": duration(timing.scrape_interval_seconds),
            # Alerts are raised by the generated rules, and by nothing that is clicked together.
            "manageAlerts": False,
        },
    }


def _dashboards() -> dict[str, Any]:
    return {
        "apiVersion": 1,
        "providers": [
            {
                "name": "riskwarden",
                "folder": _FOLDER,
                "type": "file",
                "disableDeletion": False,
                "allowUiUpdates": False,
                "updateIntervalSeconds": _LOOK_SECONDS,
                "options": {"path": DASHBOARDS_PATH, "foldersFromFilesStructure": False},
            }
        ],
    }
