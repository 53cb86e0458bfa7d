"""The operator console."""

from __future__ import annotations

from typing import Annotated, Literal

from risk_policy.environment import Secret
from risk_policy.model.base import (
    AlwaysOff,
    AtMost,
    Count,
    Host,
    Port,
    PositiveSeconds,
    Section,
    Switch,
)


class DashboardAuth(Section):
    """``[alerting.dashboard.auth]``."""

    enabled: Switch = True
    type: Literal["basic", "token", "oauth"] = "basic"
    username: Secret = Secret("${DASHBOARD_USER}")
    password: Secret = Secret("${DASHBOARD_PASSWORD}")


class DashboardWebsocket(Section):
    """``[alerting.dashboard.websocket]``."""

    enabled: Switch = True
    max_connections: Count = 10
    heartbeat_seconds: Annotated[
        PositiveSeconds, AtMost(300, "proxies cut connections that are silent for longer")
    ] = 30


class DashboardApi(Section):
    """``[alerting.dashboard.api]``."""

    rate_limit_per_minute: Count = 60
    cors_origins: tuple[str, ...] = ()


class Dashboard(Section):
    """``[alerting.dashboard]``."""

    enabled: Switch = False
    host: Host = "127.0.0.1"
    port: Port = 8080
    debug: AlwaysOff = False
    auth: DashboardAuth = DashboardAuth()
    websocket: DashboardWebsocket = DashboardWebsocket()
    api: DashboardApi = DashboardApi()
