"""Who tells people what the receivers cannot: the alerts that say so, and Alertmanager's own ways.

The dead cannot report themselves, so these alerts reach people by Alertmanager alone.
"""

from __future__ import annotations

import re
from typing import Final

from risk_policy.catalogue.system import ALERT_UNHEARD, NOT_RECORDING, RECEIVERS_DOWN
from risk_policy.model import Policy

#: What the receivers cannot tell people.
ALERTS: Final = (RECEIVERS_DOWN, NOT_RECORDING, ALERT_UNHEARD)
#: The only ids of chats that Alertmanager takes.
_CHAT: Final = re.compile(r"-?[0-9]{1,19}")


def channels(policy: Policy, *, with_secrets: bool = False) -> tuple[str, ...]:
    """The enabled channels that Alertmanager can use itself.

    Telegram's token it takes from its configuration alone. That holds secrets only where it is
    written for one Alertmanager and kept to its owner, as by `riskwarden run`: ``with_secrets``.
    """
    if not policy.alerting.second_way.enabled:
        return ()
    own = policy.alerting.channels
    telegram = (
        with_secrets and own.telegram.enabled and _CHAT.fullmatch(own.telegram.chat_id) is not None
    )
    usable = {"email": own.email.enabled, "slack": own.slack.enabled, "telegram": telegram}
    return tuple(name for name, is_usable in usable.items() if is_usable)
