"""One attempt to hand alerts to the receivers, and what became of it."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from risk_exporter.errors import StartError
from risk_exporter.fast_lane.alert import ALERTS_PATH
from risk_policy.contracts.receivers import ReceiversUrl, ReceiversUrlError


class Outcome(StrEnum):
    """What became of an attempt."""

    ACKNOWLEDGED = "acknowledged"  # on record, and the gate is closed
    REFUSED = "refused"  # a token or an address that cannot be right, most likely
    FAILED = "failed"  # they could not record it now
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Door:
    """Where the receivers take alerts. Its text shows no token."""

    receivers: ReceiversUrl

    @classmethod
    def parse(cls, url: str) -> Door:
        """From ``http://host:port``. Raises StartError."""
        try:
            return cls(ReceiversUrl.parse(url))
        except ReceiversUrlError as error:
            raise StartError(str(error)) from error

    def post(
        self,
        body: bytes,
        token: str,
        timeout_seconds: float,
        sent: Callable[[], None] = lambda: None,
    ) -> tuple[Outcome, str]:
        """Send a request and wait for its answer; what became of it, and in words.

        Args:
            sent: is called once the request is out, before the answer is waited for.
        """
        connection = self.receivers.connection(timeout_seconds)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        try:
            connection.request("POST", self.receivers.prefix + ALERTS_PATH, body, headers)
            sent()
            with connection.getresponse() as response:
                status = response.status
        except (OSError, http.client.HTTPException) as error:
            return Outcome.UNREACHABLE, f"cannot be reached ({type(error).__name__})"
        finally:
            connection.close()
        if status == http.client.OK:
            return Outcome.ACKNOWLEDGED, "have it on record"
        server = status >= http.client.INTERNAL_SERVER_ERROR
        return (Outcome.FAILED if server else Outcome.REFUSED), f"said {status}"
