"""``alertmanager.yml``: routes, mute times, inhibition, and who is behind them."""

from __future__ import annotations

from typing import Any, Final

from risk_alertmanager import second_way
from risk_alertmanager.inhibition import inhibit_rules
from risk_alertmanager.routes import RECEIVER, route_tree
from risk_alertmanager.second_way import Reveal
from risk_alertmanager.time_intervals import time_intervals
from risk_policy.contracts.artefact import (
    NOTIFICATION_FEED_TOKEN,
    NOTIFICATION_PATH,
    token_file,
    where_tokens_are,
)
from risk_policy.contracts.document import render
from risk_policy.model import Policy
from risk_policy.model.stack import Endpoints

_COMMENT: Final = "{token_file}{has} to hold the token of the notification feed."


def generate(policy: Policy) -> dict[str, str]:
    """What stands under ``alertmanager/generated``. Raises ArtefactError."""
    return {"alertmanager.yml": alertmanager_config(policy)}


def alertmanager_config(
    policy: Policy, endpoints: Endpoints | None = None, reveal: Reveal | None = None
) -> str:
    """The configuration, for the policy's endpoints or for others.

    Args:
        reveal: how to read a secret. With it the text may hold secrets: keep it to its owner.

    Raises:
        ArtefactError: something cannot be written.
    """
    at = endpoints or policy.alerting.endpoints
    token = token_file(policy, NOTIFICATION_FEED_TOKEN)
    own_way = second_way.second_way(policy, reveal)
    # Whoever stands by hands on to whoever leads, who takes what comes twice once.
    places = (at.receivers, *(() if endpoints else policy.alerting.high_availability.peers))
    receivers = [{"name": RECEIVER, "webhook_configs": [_webhook(one, token) for one in places]}]
    content: dict[str, Any] = {
        "route": route_tree(policy, () if own_way is None else (second_way.route(policy),)),
        **({"time_intervals": quiet} if (quiet := time_intervals(policy)) else {}),
        "inhibit_rules": inhibit_rules(),
        "receivers": [*receivers, *([own_way] if own_way else [])],
    }
    comment = _COMMENT.format(token_file=token, has=where_tokens_are(policy))
    return render(policy, content, "\n".join((comment, *second_way.remarks(policy, reveal))))


def _webhook(endpoint: str, token: str) -> dict[str, Any]:
    return {
        "url": f"http://{endpoint}{NOTIFICATION_PATH}",
        "send_resolved": True,
        # 0 is unlimited: a cut list is cut by label order, which may cut off the emergency.
        "max_alerts": 0,
        "http_config": {
            # A token must never follow a redirect to somebody else.
            "follow_redirects": False,
            "authorization": {
                "type": "Bearer",
                "credentials_file": token,
            },
        },
    }
