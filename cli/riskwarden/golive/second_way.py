"""By what Alertmanager itself would tell people, as the configuration says that it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from risk_alertmanager.second_way import RECEIVER
from riskwarden.golive.finding import NotKnownError
from riskwarden.golive.ground import Ground
from riskwarden.golive.people import Way
from riskwarden.safety_snapshot.asking import is_this_machine

_SUFFIX: Final = "_configs"
#: Where an integration has a secret read from a file.
_FILES: Final = ("api_url_file", "auth_password_file", "bot_token_file")


def enabled(ground: Ground) -> list[str]:
    """The channels that the policy would have people told by then."""
    alerting = ground.policy.alerting
    names = ("email", "slack", "telegram") if alerting.second_way.enabled else ()
    return [name for name in names if getattr(alerting.channels, name).enabled]


def ways(ground: Ground, at: str) -> list[Way]:
    """What leads to people from the Alertmanager at an address. Raises NotKnownError."""
    url = f"http://{at}/api/v2/status"
    try:
        config = yaml.safe_load(ground.fetched(url).json()["config"]["original"])
        receivers = {one["name"]: one for one in config["receivers"]}
        return list(_ways(receivers.get(RECEIVER, {}), is_here=is_this_machine(at)))
    except (AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        why = f"{url} answers not as Alertmanager does"
        raise NotKnownError(why, "is it Alertmanager?") from error


def _ways(receiver: Mapping[str, Any], *, is_here: bool) -> Iterator[Way]:
    for name, integrations in receiver.items():
        if name.endswith(_SUFFIX):
            for one in integrations:
                yield _way(name.removesuffix(_SUFFIX), one, is_here=is_here)


def _way(channel: str, integration: Mapping[str, Any], *, is_here: bool) -> Way:
    named = next((str(integration[key]) for key in _FILES if integration.get(key)), None)
    if named is None:
        return Way(channel)
    path = Path(named)
    try:
        # Another machine or container has folders of its own, and one that is relative is of the
        # folder that Alertmanager was started in, which it does not say.
        if not is_here or not path.is_absolute() or not path.parent.is_dir():
            return Way(channel, unseen=named)
        if not path.is_file():
            return Way(channel, missing=f"{named} is not there")
        if not path.stat().st_size:
            return Way(channel, missing=f"{named} is empty")
    except OSError:
        return Way(channel, unseen=named)
    return Way(channel)
