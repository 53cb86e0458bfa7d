"""Where the service listens, and whether what is sent there could be read on its way."""

from __future__ import annotations

from risk_policy.model.base import is_loopback
from risk_policy.model.dashboard import Dashboard
from risk_receivers.errors import StartError


def require_safe(host: str, port: int, dashboard: Dashboard) -> None:
    """Let the service speak plainly to this machine alone. Raises StartError."""
    if is_loopback(host):
        return
    where = f"--listen {host}:{port} is reachable from other machines"
    if not dashboard.auth.enabled:
        raise StartError(
            f"{where}, and alerting.dashboard.auth.enabled = false: set it to true, or listen on "
            "127.0.0.1"
        )
    if not dashboard.tls.at_proxy:
        raise StartError(
            f"{where}, and tokens and passwords could be read on their way: listen on 127.0.0.1. "
            "For people elsewhere set alerting.dashboard.host, tls.cert_file and tls.key_file, "
            "where TLS is served; if TLS ends at a proxy in front, or the network is the machine's "
            "own, as one of containers is, set alerting.dashboard.tls.at_proxy = true"
        )
