"""From where the service is answered, and what every answer tells a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from sign_in_desk import OWNER, Browser, SignInDesk, sign_in_desk

from risk_policy import InvalidPolicyError, default_policy_path, load_policy, parse_policy
from risk_policy.model.base import split_endpoint
from risk_receivers.access import NEEDS, OPEN
from risk_receivers.errors import StartError
from risk_receivers.exposure import require_safe

DESK = "https://desk.example.com"
INSIDE, OUTSIDE, PROXY = "10.20.1.5", "203.0.113.5", "10.0.0.9"
STATUS = "/api/v1/system/status"
FENCED = f"""
[alerting.dashboard.api]
cors_origins = ["{DESK}"]
allowed_networks = ["10.20.0.0/16", "2001:db8::/32"]
trusted_proxies = ["{PROXY}", "10.0.1.0/24"]
[alerting.dashboard.tls]
at_proxy = true
"""
BEARER = {"Authorization": f"Bearer {OWNER}"}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignInDesk]:
    with sign_in_desk(tmp_path_factory.mktemp("plain")) as opened:
        yield opened


@pytest.fixture(scope="module")
def fenced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignInDesk]:
    with sign_in_desk(tmp_path_factory.mktemp("fenced"), FENCED) as opened:
        yield opened


@pytest.mark.parametrize(
    "asked",
    [
        *("GET /healthz", "GET /metrics", "GET /nowhere", "GET /api/v1/openapi.json"),
        *(f"GET {STATUS}", "POST /api/v1/kill", "POST /api/v2/alerts", "GET /api/v1/gate"),
        *("GET /api/v1/session", "POST /api/v1/session", "TRACE /api/v1/session"),
    ],
)
def test_every_answer_tells_a_browser_to_do_next_to_nothing_with_it(
    plain: SignInDesk, asked: str
) -> None:
    method, path = asked.split()
    for headers in ({}, BEARER):
        told = plain.call(method, path, None, headers).headers
        assert told["content-security-policy"] == (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        assert told["x-content-type-options"] == "nosniff"
        assert told["x-frame-options"] == "DENY"
        assert told["referrer-policy"] == "no-referrer"
        assert "camera=()" in told["permissions-policy"]
        assert told["cross-origin-opener-policy"] == "same-origin"
        assert told["cross-origin-resource-policy"] == "same-origin"
        assert "strict-transport-security" not in told, "it is plain HTTP"
        assert "server" not in told
        if path.startswith("/api/"):
            assert told["cache-control"] in ("no-store", "no-cache")


def test_no_way_to_write_a_path_is_answered_otherwise(plain: SignInDesk) -> None:
    for path in ("//api/v1/alerts", "///api/v1/session/password"):
        told = plain.call("GET", path, None, {**BEARER, "Host": "evil.example"}).headers
        assert told["cache-control"] == "no-store"
    for path in ("/api/v1//alerts", "/api//v1/kill", "/runbooks//X"):
        answer = plain.call("GET", path, None, {**BEARER, "Host": "evil.example"})
        assert (answer.status_code, answer.headers.get("location")) == (404, None)


def test_where_browsers_come_over_tls_they_are_to_come_back_so(fenced: SignInDesk) -> None:
    answer = fenced.call("GET", "/healthz")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    fenced.add("ann", "auditor")
    given = Browser(fenced, INSIDE).log_in("ann").headers["set-cookie"]
    assert given.startswith("__Host-riskwarden=")
    assert "; Secure;" in given


def test_no_site_but_those_named_may_ask_from_its_pages(fenced: SignInDesk) -> None:
    asks = {"Origin": DESK, "Access-Control-Request-Method": "POST"}
    told = fenced.call("OPTIONS", "/api/v1/kill", None, asks, INSIDE)
    assert told.status_code == 204
    assert told.headers["access-control-allow-origin"] == DESK
    assert told.headers["access-control-allow-credentials"] == "true"
    assert "POST" in told.headers["access-control-allow-methods"]
    assert "x-csrf-token" in told.headers["access-control-allow-headers"]
    assert told.headers["vary"] == "origin"
    answer = fenced.call("GET", STATUS, None, {**BEARER, "Origin": DESK}, INSIDE)
    assert answer.headers["access-control-allow-origin"] == DESK
    for origin in ("https://evil.example", "null", "http://desk.example.com", DESK + ":444"):
        for method in ("OPTIONS", "GET"):
            told = fenced.call(method, STATUS, None, {**asks, **BEARER, "Origin": origin}, INSIDE)
            assert not [name for name in told.headers if name.startswith("access-control")]
            assert told.headers["vary"] == "origin"


def test_a_named_site_may_act_for_who_is_logged_in_and_no_other(fenced: SignInDesk) -> None:
    fenced.add("boss", "admin")
    boss = fenced.browser("boss", INSIDE)
    body = {"name": "", "actor": "x"}
    ok = boss.call("POST", "/api/v1/tokens", body, {"Origin": DESK, "Sec-Fetch-Site": "same-site"})
    assert ok.status_code == 400, "it is looked at"
    for origin in ("https://evil.example", DESK + ".evil.example"):
        denied = boss.call("POST", "/api/v1/tokens", body, {"Origin": origin})
        assert denied.status_code == 403


def test_from_outside_people_get_no_answer_and_machines_do(fenced: SignInDesk) -> None:
    for address, code in {
        INSIDE: 200,
        "2001:db8:7::1": 200,
        "::ffff:10.20.1.5": 200,
        "127.0.0.1": 200,
        "::1": 200,
        OUTSIDE: 403,
        "10.21.0.1": 403,
        "::ffff:203.0.113.5": 403,
        "": 403,
    }.items():
        assert fenced.call("GET", STATUS, None, BEARER, address).status_code == code, address
    machines = {"POST /api/v2/alerts", "POST /api/v1/notifications", "POST /api/v1/kill"}
    machines |= {"GET /api/v1/gate", "POST /api/v1/runtime/reports"}
    for what in NEEDS:
        method, _, path = what.partition(" ")
        if path.startswith("/ws/"):
            continue
        answer = fenced.call(method, path, None, {}, OUTSIDE)
        assert answer.status_code == (401 if what in machines else 403), what
    for what in OPEN:
        method, _, path = what.partition(" ")
        answer = fenced.call(method, path.replace("<alertname>", "X"), None, {}, OUTSIDE)
        is_free = path in ("/healthz", "/readyz", "/metrics") or path.startswith("/runbooks/")
        assert (answer.status_code != 403) == is_free, what
    kill = {"mode": "pause", "reason": "x", "actor": "x", "nonsense": 1}
    assert fenced.call("POST", "/api/v1/kill", kill, BEARER, OUTSIDE).status_code == 400
    told = fenced.recorded("ACCESS_REFUSED", 1)[0]
    assert told.action_reason in (
        "comes from outside alerting.dashboard.api.allowed_networks",
        "a wrong token, or none",
    )


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (None, 403),  # the proxy itself
        (INSIDE, 200),
        (OUTSIDE, 403),
        (f"{INSIDE}, {OUTSIDE}", 403),  # the first was written by whoever sends it
        (f"{OUTSIDE}, {INSIDE}", 200),
        (f"{INSIDE}, 10.0.1.7", 200),  # through two proxies of ours
        (f"{OUTSIDE}, 10.0.1.7", 403),
        (f"{INSIDE}:4711", 200),
        ("[2001:db8::7]:4711", 200),
        ("2001:db8::7", 200),
        (f"{INSIDE}, unknown", 403),
        ("nonsense", 403),
        ("", 403),
        ("," * 1000, 403),
    ],
)
def test_a_trusted_proxy_says_for_whom_it_asks(
    fenced: SignInDesk, said: str | None, code: int
) -> None:
    headers = {**BEARER, **({} if said is None else {"X-Forwarded-For": said})}
    assert fenced.call("GET", STATUS, None, headers, PROXY).status_code == code


def test_nobody_else_is_believed(
    fenced: SignInDesk, plain: SignInDesk, wait_until: Callable[..., Any]
) -> None:
    headers = {**BEARER, "X-Forwarded-For": INSIDE}
    assert fenced.call("GET", STATUS, None, headers, OUTSIDE).status_code == 403
    plain.call("GET", STATUS, None, {"X-Forwarded-For": INSIDE}, OUTSIDE)
    wait_until(
        lambda: OUTSIDE in {one.details["address"] for one in plain.payloads("ACCESS_REFUSED")}
    )
    assert INSIDE not in str(plain.payloads("ACCESS_REFUSED"))


def test_a_proxy_that_nobody_named_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> list[str]:
        return [one for one in caplog.messages if "X-Forwarded-For is not believed" in one]

    policy = '[alerting.dashboard.api]\ntrusted_proxies = ["10.0.0.9"]\n'
    with sign_in_desk(tmp_path, policy) as desk:
        sent = {"X-Forwarded-For": INSIDE}
        desk.call("GET", STATUS, None, sent, "10.0.0.9")
        desk.call("GET", STATUS, None, {}, "10.0.0.8")
        assert told() == []
        for _ in range(3):
            desk.call("GET", STATUS, None, sent, "10.0.0.8")
        assert len(told()) == 1
        assert told()[0].startswith("what 10.0.0.8 says")
        assert "alerting.dashboard.api.trusted_proxies" in told()[0]


# -- where it listens --------------------------------------------------------------------------


@pytest.mark.parametrize("shipped", [True, False], ids=["as shipped", "without a policy"])
def test_everything_listens_on_this_machine_alone_unless_somebody_says_otherwise(
    shipped: bool,
) -> None:
    policy = load_policy(default_policy_path(), {}) if shipped else parse_policy(b"", environ={})
    endpoints = policy.alerting.endpoints
    for part in type(endpoints).model_fields:
        host, _ = split_endpoint(getattr(endpoints, part))
        assert ip_address(host).is_loopback, part
    assert ip_address(policy.alerting.dashboard.host).is_loopback
    assert policy.alerting.dashboard.api.cors_origins == ()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "desk.example.com"])  # noqa: S104
def test_listening_for_others_in_the_open_is_refused_with_what_would_be_right(host: str) -> None:
    dashboard = parse_policy(b"", environ={}).alerting.dashboard
    with pytest.raises(StartError) as refused:
        require_safe(host, 9465, dashboard)
    for named in (f"{host}:9465", "127.0.0.1", "tls.cert_file", "tls.at_proxy = true"):
        assert named in str(refused.value)
    at_proxy = b"[alerting.dashboard.tls]\nat_proxy = true\n"
    require_safe(host, 9465, parse_policy(at_proxy, environ={}).alerting.dashboard)
    without = at_proxy + b"[alerting.dashboard.auth]\nenabled = false\n"
    with pytest.raises(StartError, match=r"auth\.enabled"):
        require_safe(host, 9465, parse_policy(without, environ={}).alerting.dashboard)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_this_machine_is_spoken_to_plainly(host: str) -> None:
    require_safe(host, 9465, parse_policy(b"", environ={}).alerting.dashboard)


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ('[alerting.dashboard]\nhost = "0.0.0.0"\n', "host", "could be read on its way"),
        ('[alerting.dashboard.tls]\ncert_file = "a.pem"\n', "tls.cert_file", "key_file, too"),
        ('[alerting.dashboard.tls]\nkey_file = "a.pem"\n', "tls.key_file", "cert_file, too"),
        (
            '[alerting.dashboard.tls]\ncert_file = "a"\nkey_file = "b"\nat_proxy = true\n',
            *("tls.at_proxy", "ends here"),
        ),
        (
            '[alerting.dashboard]\ntls.at_proxy = true\napi.allowed_networks = ["10.0.0.0/8"]\n',
            *("api.allowed_networks", "trusted_proxies"),
        ),
        ('[alerting.dashboard.api]\ncors_origins = ["*"]\n', "api.cors_origins.0", "every page"),
        (
            '[alerting.dashboard.api]\ncors_origins = ["https://a.example/"]\n',
            *("api.cors_origins.0", "exactly as browsers send it"),
        ),
        (
            '[alerting.dashboard.api]\ncors_origins = ["https://a.example:443"]\n',
            *("api.cors_origins.0", "exactly as browsers send it"),
        ),
        ('[alerting.dashboard.api]\ncors_origins = ["null"]\n', "api.cors_origins.0", "exactly"),
        (
            '[alerting.dashboard.api]\nallowed_networks = ["10.0.0.1/8"]\n',
            *("api.allowed_networks.0", "no network"),
        ),
        (
            '[alerting.dashboard.api]\ntrusted_proxies = ["proxy"]\n',
            *("api.trusted_proxies.0", "no network"),
        ),
    ],
)
def test_a_policy_that_lets_in_more_than_is_meant_is_refused(
    text: str, key: str, said: str
) -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        parse_policy(text.encode(), environ={})
    (problem,) = refused.value.problems
    assert problem.key == f"alerting.dashboard.{key}"
    assert said in problem.message
