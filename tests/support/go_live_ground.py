"""What a go-live check is made on, with a policy of which nothing runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from snapshot_desk import NOBODY

from risk_policy import load_policy
from riskwarden.golive.ground import Ground
from riskwarden.operator import Operator
from riskwarden.stack.layout import Layout

#: For channels that need some.
SECRETS = {
    "SLACK_WEBHOOK_URL": "https://hooks.example.com/x",
    "TELEGRAM_BOT_TOKEN": "1:x",
    "TELEGRAM_CHAT_ID": "42",
}


def ground_of(folder: Path, text: str = NOBODY, **more: Any) -> Ground:
    path = folder / "alerting.toml"
    path.write_text(text)
    return Ground(
        policy=load_policy(path, SECRETS),
        layout=Layout(folder),
        operator=Operator(folder, path, None),
        author="olga",
        environ={},
        drills=folder / "drills",
        **more,
    )
