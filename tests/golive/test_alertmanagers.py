"""What the checklist sees of Alertmanager, and of whatever there are two of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from go_live_ground import ground_of
from loopback_http import LoopbackServer, Received, Reply
from snapshot_desk import NOBODY

import risk_alertmanager
from risk_policy.contracts.golive import Outcome
from riskwarden.golive import checklist, people, second_way
from riskwarden.golive.looking import hash_of

# -- The second way ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "channels", "outcome", "seen"),
    [
        ("T0/B0/x", ("slack",), Outcome.PASSED, "tells by slack"),
        ("", ("slack",), Outcome.FAILED, "slack_webhook_url is empty"),
        (None, ("slack",), Outcome.FAILED, "slack_webhook_url is not there"),
        (None, ("email", "telegram"), Outcome.PASSED, "tells by email; not by telegram"),
        (None, ("telegram",), Outcome.FAILED, "nobody would be told that the receivers are dead"),
    ],
)
def test_only_what_alertmanager_runs_tells_people_of_dead_receivers(
    tmp_path: Path, held: str | None, channels: tuple[str, ...], outcome: Outcome, seen: str
) -> None:
    if held is not None:
        (tmp_path / "slack_webhook_url").write_text(held)
    text = f'[alerting.second_way]\nsecrets_path = "{tmp_path}"\n' + "".join(
        f"[alerting.channels.{name}]\nenabled = true\n{more}"
        for name, more in {
            "email": 'smtp_host = "mail.example.com"\nto_addresses = ["a@example.com"]\n',
            "slack": "",
            "telegram": "",
        }.items()
        if name in channels
    )
    with LoopbackServer() as http:
        at = NOBODY.replace("127.0.0.1:4", http.url.removeprefix("http://"))
        ground = ground_of(tmp_path, text + at)
        config = risk_alertmanager.generate(ground.policy)["alertmanager.yml"]
        http.instead = lambda _: Reply(body=json.dumps({"config": {"original": config}}))
        finding = checklist.CHECKS["second-way"].look(ground)
    assert (finding.outcome, seen in finding.seen) == (outcome, True), finding


def test_what_another_machine_has_is_not_looked_for_on_this_one(tmp_path: Path) -> None:
    (tmp_path / "slack_webhook_url").write_text("T0/B0/x")
    text = f"""[alerting.second_way]
secrets_path = "{tmp_path}"
[alerting.channels.slack]
enabled = true
"""
    with LoopbackServer() as http:
        ground = ground_of(tmp_path, text + NOBODY)
        config = risk_alertmanager.generate(ground.policy)["alertmanager.yml"]
        http.instead = lambda _: Reply(body=json.dumps({"config": {"original": config}}))
        here = second_way.ways(ground, f"127.0.0.1:{http.port}")
        # An address that reaches it as well, and is not this machine's own for sure.
        elsewhere = second_way.ways(ground, f"0.0.0.0:{http.port}")
    assert people.without_receivers(here, ["slack"]).outcome is Outcome.PASSED
    unsure = people.without_receivers(elsewhere, ["slack"])
    assert unsure.outcome is Outcome.NOT_KNOWN
    assert f"if it finds {tmp_path}/slack_webhook_url" in unsure.seen
    assert "where Alertmanager runs" in unsure.to_do


# -- Two of each ---------------------------------------------------------------------------------


def address(server: LoopbackServer) -> str:
    return f"127.0.0.1:{server.port}"


def test_every_member_of_a_cluster_is_looked_at(tmp_path: Path) -> None:
    with LoopbackServer() as one, LoopbackServer() as other:
        at = NOBODY.replace("127.0.0.1:4", address(one))
        cluster = f'[alerting.prometheus]\nmore_alertmanagers = ["{address(other)}"]\n'
        mail = (
            "[alerting.channels.email]\nenabled = true\n"
            'smtp_host = "mail.example.com"\nto_addresses = ["a@example.com"]\n'
        )
        routes = tmp_path / "alertmanager.yml"
        ground = ground_of(tmp_path, at + cluster + mail, routes_file=routes)
        config = risk_alertmanager.generate(ground.policy)["alertmanager.yml"]
        routes.write_text(config)
        old = config.replace("second_way", "nobody")

        def runs(text: str) -> Callable[[Received], Reply]:
            metrics = f"alertmanager_config_hash {hash_of(text.encode()):.0f}\n"
            status = json.dumps({"config": {"original": text}})
            return lambda asked: Reply(body=metrics if asked.path == "/metrics" else status)

        one.instead = runs(config)
        for text, outcome in ((config, Outcome.PASSED), (old, Outcome.FAILED)):
            other.instead = runs(text)
            for line in ("alertmanager", "second-way"):
                found = checklist.CHECKS[line].look(ground)
                assert found.outcome is outcome, found
                assert f"{address(other)}: " in found.seen


@pytest.mark.parametrize("left_out", ["127.0.0.1:6", "127.0.0.1:7", ""])
def test_alerts_have_to_go_to_each_of_two(tmp_path: Path, left_out: str) -> None:
    """To receivers that stand by, too: once they lead, nobody else tells them."""
    told = {"127.0.0.1:2", "127.0.0.1:4", "127.0.0.1:6", "127.0.0.1:7"} - {left_out}
    up = {"labels": {}, "health": "up"}
    feeds = [{"url": f"http://{one}/api/v2/alerts"} for one in sorted(told)]
    two = (
        '[alerting.prometheus]\nmore_alertmanagers = ["127.0.0.1:6"]\n'
        '[alerting.high_availability]\npeers = ["127.0.0.1:7"]\n'
    )
    with LoopbackServer() as http:
        ground = ground_of(tmp_path, NOBODY.replace("127.0.0.1:3", address(http)) + two)
        data = {"activeTargets": [up], "activeAlertmanagers": feeds}
        http.instead = lambda _: Reply(body=json.dumps({"data": data}))
        found = checklist.CHECKS["delivery"].look(ground)
    if left_out:
        assert found.outcome is Outcome.FAILED
        assert f" at {left_out}" in found.seen
    else:
        assert found.outcome is Outcome.PASSED
        assert "the receivers at 127.0.0.1:7" in found.seen
