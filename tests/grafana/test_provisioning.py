"""Grafana is set up by files alone: where Prometheus is, and where the dashboards lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from stack_under_test import edited_policy

import risk_grafana
from risk_policy import Policy, load_policy

_HOST = 'host = "127.0.0.1"\nport = 8080'
#: The line of the switch, with the heading that it stands below.
_DASHBOARD = "[alerting.dashboard]\nenabled = true"
ROOT = Path(__file__).parents[2] / "grafana" / "provisioning"


def test_the_data_source_has_the_name_that_dashboards_call_it_by(
    dashboards: dict[str, dict[str, Any]], policy: Policy
) -> None:
    content = yaml.safe_load((ROOT / "datasources/riskwarden.yaml").read_text("utf-8"))
    (source,) = content["datasources"]
    assert content["apiVersion"] == 1
    assert source["type"] == "prometheus"
    assert source["url"] == f"http://{policy.alerting.endpoints.prometheus}"
    assert not source["editable"]
    for board in dashboards.values():
        chosen = board["templating"]["list"][0]["current"]
        assert (chosen["text"], chosen["value"]) == (source["name"], source["uid"])


def test_the_dashboards_are_read_from_a_folder_and_cannot_be_changed_in_grafana() -> None:
    content = yaml.safe_load((ROOT / "dashboards/riskwarden.yaml").read_text("utf-8"))
    (provider,) = content["providers"]
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards/riskwarden"


@pytest.mark.parametrize(
    ("old", "new", "where", "expected"),
    [
        ("scrape_interval_seconds = 1", "scrape_interval_seconds = 5", "datasources", "5s"),
        ('prometheus = "127.0.0.1:9490"', 'prometheus = "[::1]:9090"', "datasources",
         "http://[::1]:9090"),
    ],
    ids=["scrape interval", "address"],
)  # fmt: skip
def test_it_follows_the_policy(
    tmp_path: Path, old: str, new: str, where: str, expected: str
) -> None:
    policy = load_policy(edited_policy(tmp_path, (old, new)), {})
    text = risk_grafana.provisioning(policy)[f"{where}/riskwarden.yaml"]
    (source,) = yaml.safe_load(text)["datasources"]
    assert expected in (source["url"], source["jsonData"]["timeInterval"])


def test_objectives_and_limits_of_the_policy_are_where_colours_turn(tmp_path: Path) -> None:
    edits = (
        ("breach_to_gate_seconds = 2", "breach_to_gate_seconds = 7"),
        ("within_pct = 95", "within_pct = 97"),
        ('base_url = "http://127.0.0.1:9465/runbooks/"', 'base_url = "https://wiki/risk/"'),
    )
    policy = load_policy(edited_policy(tmp_path, *edits), {})
    files = risk_grafana.generate(policy)
    assert "Breach to gate within 7s" in files["sla.json"]
    assert '"value": 0.97' in files["sla.json"]
    assert 'le=~\\"7|7[.]0\\"' in files["sla.json"]
    assert "https://wiki/risk/DRAWDOWN_EMERGENCY" in files["drawdown.json"]
    assert "https://wiki/risk/${__field.labels.alertname}" in files["alerts.json"]


@pytest.mark.parametrize(
    ("edits", "links"),
    [
        ((), ["http://127.0.0.1:9465/"]),
        (
            (
                ('cert_file = ""', 'cert_file = "cert.pem"'),
                ('key_file = ""', 'key_file = "key.pem"'),
                ("port = 8080", "port = 8443"),
            ),
            ["https://127.0.0.1:8443/"],
        ),
        (
            (
                ('cert_file = ""', 'cert_file = "cert.pem"'),
                ('key_file = ""', 'key_file = "key.pem"'),
                (_HOST, _HOST.replace("127.0.0.1", "0.0.0.0")),  # noqa: S104 - nothing is bound
                ('receivers = "127.0.0.1:9465"', 'receivers = "desk.example:9465"'),
            ),
            ["https://desk.example:8080/"],
        ),
        (((_DASHBOARD, _DASHBOARD.replace("true", "false")),), []),
    ],
    ids=["plain, on loopback", "over TLS", "over TLS, on every address", "none is served"],
)
def test_the_console_is_linked_to_where_browsers_reach_it(
    tmp_path: Path, edits: tuple[tuple[str, str], ...], links: list[str]
) -> None:
    policy = load_policy(edited_policy(tmp_path, *edits), {})
    for text in risk_grafana.generate(policy).values():
        found = {link["title"]: link["url"] for link in json.loads(text)["links"] if "url" in link}
        assert [url for title, url in found.items() if title == "Operator console"] == links
