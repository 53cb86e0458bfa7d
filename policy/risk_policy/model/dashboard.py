"""The operator console."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from risk_policy.environment import Secret
from risk_policy.model.base import Count, PositiveSeconds, Section


class DashboardAuth(Section):
    """``[alerting.dashboard.auth]``."""

    enabled: bool = True
    type: Literal["basic", "token", "oauth"] = "basic"
    username: Secret = Secret("${DASHBOARD_USER}")
    password: Secret = Secret("${DASHBOARD_PASSWORD}")


class DashboardWebsocket(Section):
    """``[alerting.dashboard.websocket]``."""

    enabled: bool = True
    max_connections: Count = 10
    heartbeat_seconds: PositiveSeconds = 30


class DashboardApi(Section):
    """``[alerting.dashboard.api]``."""

    rate_limit_per_minute: Count = 60
    cors_origins: tuple[str, ...] = ()


class Dashboard(Section):
    """``[alerting.dashboard]``."""

    enabled: bool = False
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    debug: Literal[False] = False
    auth: DashboardAuth = DashboardAuth()
    websocket: DashboardWebsocket = DashboardWebsocket()
    api: DashboardApi = DashboardApi()
