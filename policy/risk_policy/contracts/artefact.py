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
#: Names of the files with bearer tokens that the configurations refer to.
ALERT_FEED_TOKEN: Final = "alert_feed_token"  # noqa: S105 - a name
NOTIFICATION_FEED_TOKEN: Final = "notification_feed_token"  # noqa: S105 - a name
#: The folder of them beside the configuration.
BESIDE: Final = "secrets"

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


def token_file(policy: Policy, name: str) -> str:
    """Where a configuration finds a token: relative to itself, or absolute."""
    return f"{policy.alerting.auth.token_files_path}/{name}"


def with_tokens_beside(policy: Policy) -> Policy:
    """The policy for configurations that have their tokens beside them, wherever they lie."""
    alerting = policy.alerting
    auth = alerting.auth.model_copy(update={"token_files_path": BESIDE})
    return policy.model_copy(update={"alerting": alerting.model_copy(update={"auth": auth})})


def where_tokens_are(policy: Policy) -> str:
    """The rest of a sentence that begins with a token's file."""
    absolute = policy.alerting.auth.token_files_path.startswith("/")
    return " has" if absolute else ", beside this file, has"


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
