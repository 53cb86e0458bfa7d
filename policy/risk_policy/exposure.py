"""What of the service strangers could reach, or read on its way: relations between keys."""

from __future__ import annotations

from collections.abc import Iterator

from risk_policy.errors import Problem
from risk_policy.model.addresses import is_loopback
from risk_policy.values import Values

_DASHBOARD = "alerting.dashboard."
_CERT, _KEY = _DASHBOARD + "tls.cert_file", _DASHBOARD + "tls.key_file"
_AT_PROXY = _DASHBOARD + "tls.at_proxy"


def exposure_problems(values: Values) -> Iterator[Problem]:
    """Everything that lets in more than was meant."""
    yield from _host_problems(values)
    yield from _certificate_problems(values)
    yield from _proxy_problems(values)


def _host_problems(values: Values) -> Iterator[Problem]:
    host = values.get(_DASHBOARD + "host")
    if not isinstance(host, str) or is_loopback(host):
        return
    said = "is reachable from other machines; "
    if values.get(_DASHBOARD + "auth.enabled") is False:
        yield Problem(
            _DASHBOARD + "host",
            repr(host),
            f"{said}set alerting.dashboard.auth.enabled = true or bind to 127.0.0.1",
        )
    elif not values.get(_CERT) and values.get(_AT_PROXY) is not True:
        yield Problem(
            _DASHBOARD + "host",
            repr(host),
            f"{said}what people type could be read on its way: set {_CERT} and key_file, or bind "
            "to 127.0.0.1",
        )


def _certificate_problems(values: Values) -> Iterator[Problem]:
    cert, key = values.get(_CERT), values.get(_KEY)
    if bool(cert) != bool(key):
        there, missing = (_CERT, _KEY) if cert else (_KEY, _CERT)
        yield Problem(there, repr(cert or key), f"needs {missing}, too")
    elif cert and values.get(_AT_PROXY) is True:
        yield Problem(
            _AT_PROXY, "true", f"says that TLS ends elsewhere, and {_CERT} that it ends here"
        )


def _proxy_problems(values: Values) -> Iterator[Problem]:
    """Behind a proxy that is not believed, everybody comes from the proxy."""
    networks = values.get(_DASHBOARD + "api.allowed_networks")
    proxies = values.get(_DASHBOARD + "api.trusted_proxies")
    if values.get(_AT_PROXY) is True and networks and not proxies:
        yield Problem(
            _DASHBOARD + "api.allowed_networks",
            repr(networks),
            "means nothing behind a proxy whose word is not taken, for everybody comes from there: "
            f"name it in {_DASHBOARD}api.trusted_proxies",
        )
