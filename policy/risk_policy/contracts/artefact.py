"""What generated files have in common: their heading, how durations are written, and the
relative paths and URL paths by which generated configuration finds tokens and feeds.
"""

from __future__ import annotations

import math
from typing import Final

from risk_policy.errors import PolicyError
from risk_policy.model import Policy

#: Where Alertmanager delivers notifications, on the receivers service.
NOTIFICATION_PATH: Final = "/api/v1/notifications"
#: Bearer tokens, relative to the configuration file that refers to them.
ALERT_FEED_TOKEN_FILE: Final = "secrets/alert_feed_token"  # noqa: S105 - a path
NOTIFICATION_FEED_TOKEN_FILE: Final = "secrets/notification_feed_token"  # noqa: S105 - a path

_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000))


class ArtefactError(PolicyError):
    """Something cannot be written into a generated file."""


def heading(policy: Policy) -> str:
    """The comment every generated file starts with. Raises ArtefactError.

    A policy that was not read from a file has no digest, and what is generated from it could
    not be checked against anything.
    """
    if not policy.digest:
        raise ArtefactError("the policy has no digest; read it from its file with load_policy")
    return (
        "# DO NOT EDIT: `riskwarden generate` writes this file from the policy; change that.\n"
        f"# policy sha256: {policy.digest}\n"
    )


def duration(seconds: float) -> str:
    """A duration as Prometheus and Alertmanager read it, in its largest whole unit.

    Raises:
        ArtefactError: negative, or finer than the millisecond they can tell.
    """
    milliseconds = round(seconds * 1000)
    if seconds < 0 or not math.isclose(seconds, milliseconds / 1000, abs_tol=1e-9):
        raise ArtefactError(
            f"{seconds!r} seconds cannot be written; use whole milliseconds, 0 or more"
        )
    if milliseconds == 0:
        return "0s"
    for unit, size in _UNITS:
        if milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"
