"""The operator console, and who reaches it: log-in, limits, TLS."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from risk_policy.environment import Secret
from risk_policy.model.base import (
    AlwaysOff,
    AtMost,
    Count,
    Host,
    Minutes,
    Number,
    Port,
    PositiveSeconds,
    Section,
    Switch,
)

_ORIGIN: Final = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


def _origin(text: str) -> str:
    if text == "*":
        raise PydanticCustomError(
            "origin", "would let every page on the web act for who is logged in; name the sites"
        )
    scheme, _, _ = text.partition("://")
    if not _ORIGIN.fullmatch(text) or text.endswith(_DEFAULT_PORTS.get(scheme, "/")):
        raise PydanticCustomError(
            "origin",
            "must be an origin exactly as browsers send it: scheme, host in small letters and the "
            "port if it is not the usual one, nothing after it, e.g. https://desk.example.com",
        )
    return text


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise PydanticCustomError(
            "network",
            "is no network: {reason}; write e.g. 10.20.0.0/16, or one address",
            {"reason": str(error)},
        ) from error
    return text


#: A site whose pages may ask with what a browser knows of this service.
Origin = Annotated[str, AfterValidator(_origin)]
#: An address, or a network of them.
Network = Annotated[str, AfterValidator(_network)]


class DashboardAuth(Section):
    """``[alerting.dashboard.auth]``: people who log in with a name and a password.

    Attributes:
        enabled: whether anybody can log in. If not, tokens alone are good.
        type: "basic" is a name and a password, "token" lets nobody log in, "oauth" is not built.
        username: with ``password``, if both are set when the receivers start and there is no user
            yet: the first one, an admin. Afterwards they are not looked at.
        session_minutes: a session that is not used for so long is over.
        most_session_hours: and so is one that is that old, however much it is used.
    """

    enabled: Switch = True
    type: Literal["basic", "token", "oauth"] = "basic"
    username: Secret = Secret("${DASHBOARD_USER}")
    password: Secret = Secret("${DASHBOARD_PASSWORD}")
    session_minutes: Annotated[
        Minutes, AtMost(480, "a desk that somebody left is anybody's for as long")
    ] = 30
    most_session_hours: Annotated[Number, Field(gt=0, le=168)] = 12


class DashboardWebsocket(Section):
    """``[alerting.dashboard.websocket]``."""

    enabled: Switch = True
    max_connections: Count = 10
    heartbeat_seconds: Annotated[
        PositiveSeconds, AtMost(300, "proxies cut connections that are silent for longer")
    ] = 30


class DashboardApi(Section):
    """``[alerting.dashboard.api]``: what people and programs ask, and from where.

    None of it touches the feeds, the gate, the kill, the runtimes' reports, probes or metrics.

    Attributes:
        rate_limit_per_minute: requests of one name, and of one address whose sender is unknown.
        cors_origins: other sites whose pages may ask with a session of this one.
        allowed_networks: from where people are answered; from everywhere if it names none. This
            machine is always answered.
        trusted_proxies: whose X-Forwarded-For is believed.
    """

    rate_limit_per_minute: Count = 300
    cors_origins: tuple[Origin, ...] = ()
    allowed_networks: tuple[Network, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()


class DashboardTls(Section):
    """``[alerting.dashboard.tls]``: how what people send stays theirs on its way.

    Attributes:
        cert_file: the certificate with its chain, as PEM. With ``key_file``, the receivers serve
            TLS at ``alerting.dashboard.host`` and ``port``, beside where machines on loopback
            reach them. Both are relative to the data folder.
        at_proxy: TLS ends at a proxy in front, or the network is the machine's own, as one of
            containers is: the receivers may speak plainly to other machines.
    """

    cert_file: str = ""
    key_file: str = ""
    at_proxy: Switch = False

    @property
    def is_served(self) -> bool:
        """Whether the receivers themselves speak TLS."""
        return bool(self.cert_file)

    @property
    def is_used(self) -> bool:
        """Whether browsers come over TLS."""
        return self.is_served or self.at_proxy


class Dashboard(Section):
    """``[alerting.dashboard]``.

    Attributes:
        enabled: whether the receivers serve the console. The API is served all the same.
    """

    enabled: Switch = True
    host: Host = "127.0.0.1"
    port: Port = 8080
    debug: AlwaysOff = False
    auth: DashboardAuth = DashboardAuth()
    websocket: DashboardWebsocket = DashboardWebsocket()
    api: DashboardApi = DashboardApi()
    tls: DashboardTls = DashboardTls()
