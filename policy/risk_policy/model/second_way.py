"""How people hear that the receivers, who tell them everything else, are dead."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator

from risk_policy.model.base import AtMost, Minutes, PositiveSeconds, Section, Switch

_FOLDER: Final = re.compile(r"/?[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")


def _folder(text: str) -> str:
    if not _FOLDER.fullmatch(text):
        raise ValueError(
            "must be the path of a folder without blanks and without / at its end, e.g. "
            "/etc/prometheus/secrets"
        )
    return text


FolderPath = Annotated[str, AfterValidator(_folder)]


class SecondWay(Section):
    """``[alerting.second_way]``: Alertmanager tells people itself, by the enabled channels.

    It uses those of email and Slack that the policy enables (and Telegram in `riskwarden run`,
    whose configuration may hold a token), and tells of nothing but the receivers' failure and of
    what nobody hears meanwhile.

    Attributes:
        secrets_path: where Alertmanager finds what no generated file may hold. Unless it is
            absolute, it is looked for in the folder that Alertmanager is started in.
        group_interval_seconds: what joins a message that was sent waits for that long.
        repeat_minutes: how often people are told again while it lasts.
    """

    enabled: Switch = True
    secrets_path: FolderPath = "secrets"
    group_interval_seconds: Annotated[
        PositiveSeconds, AtMost(600, "what begins while the receivers are down waits for that long")
    ] = 60
    repeat_minutes: Annotated[
        Minutes, AtMost(1440, "receivers that are down for a day must have been told of again")
    ] = 30
