"""What in a request looks like an attack: injection, traversal, a probe, a scanner. Pure.

It errs on the side of silence: what our own console, commands, Prometheus, Alertmanager and
Grafana send is never one of these, and neither is PromQL. Nothing here protects from injection,
which the statements' parameters do; a sign only tells who is trying.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes


class Sign(StrEnum):
    """What was seen; the value is as it is told and recorded."""

    SQL_INJECTION = "SQL injection"
    PATH_TRAVERSAL = "path traversal"
    PROBE = "a probe for other software"
    SCANNER = "the user agent of a scanner"


#: No request of ours is as long; looking through more is work that a stranger chooses.
_LONGEST: Final = 2048
_LONGEST_AGENT: Final = 256
#: Whoever asks says the same of itself each time; strangers who do not cost some memory at most.
_AGENTS: Final = 128
#: So do machines that ask for the same again and again.
_REQUESTS: Final = 128
#: Most of what anybody asks. Two dots, and what is encoded, are not ordinary. (Not possessive:
#: Python before 3.11.5 gets that wrong for a group of alternatives.)
_ORDINARY_PATH: Final = re.compile(rb"(?:[A-Za-z0-9_/:@-]|\.(?!\.))*")
_ORDINARY_QUERY: Final = re.compile(rb"(?:[A-Za-z0-9_:,=&@-]|\.(?!\.))*")

_SQL: Final = re.compile(
    rb"""
    \bunion(?:\s|/\*[^*]{0,20}\*/)+(?:all\s+)?select\b
    # What is always true; PromQL compares with two signs.
    | ['"]\s{0,8}\)?\s{0,8}(?:or|and|\|\|)\s{0,8}\(?['"]?(\w{0,20})['"]?\s?=\s?['"]?\1\b
    | \b(?:or|and)\s+\(?(\d{1,9})\s?=\s?\2\b
    | ['"]\s{0,8}\)?\s{0,8};\s{0,8}(?:drop|delete|insert|update|alter|truncate|create|exec)\b
    | ;\s{0,8}(?:drop\s+(?:table|database|schema)|delete\s+from|insert\s+into|truncate\s+table)\b
    | '\s{0,8}\)?\s{0,8}(?:--|\#|/\*)\s{0,8}(?:&|$)
    | \b(?:pg_sleep|sleep|benchmark|extractvalue|updatexml|load_file|load_extension)\s?\(
    | \bwaitfor\s+delay\b
    | \b(?:information_schema|pg_catalog|sqlite_master|xp_cmdshell|sys\.databases)\b
    | (?:^|[=(;'"])\s?select\b.{1,80}?\bfrom\s+[\w."]
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_TRAVERSAL: Final = re.compile(
    rb"""
    (?:^|[/\\=&?])\.\.(?:[/\\;]|$|&)
    | \.\.[/\\]\.\.[/\\]
    | \.\.\.\.//
    | /etc/(?:passwd|shadow|hosts)\b | /proc/self/ | \b(?:win|boot)\.ini\b
    | \xc0\xae | \xc0\xaf | \x00
    """,
    re.IGNORECASE | re.VERBOSE,
)
_PROBE: Final = re.compile(
    rb"""
    /+(?:
        \.(?:env|git|svn|hg|aws|ssh|vscode|idea|docker|kube|DS_Store|ht(?:access|passwd)|npmrc)\b
        | wp-(?:admin|login|content|includes|json|config)\b | wordpress\b | xmlrpc
        | php(?:my|pg)?admin\b | pma\b | adminer\b | phpinfo\b | myadmin\b
        | cgi-bin\b | actuator\b | solr/ | jenkins\b | manager/html | server-status\b
        | boaform\b | HNAP1\b | GponForm\b | vendor/phpunit | _ignition\b | telescope/
        | owa/ | ecp/ | autodiscover\b | remote/login | dana-na/ | \+CSCOE\+ | struts
    )
    | /(?!api/)[^?]{0,200}\.(?:php\d?|aspx?|jspx?|cgi|cfm|ashx)(?:$|/)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_LOOKUP: Final = re.compile(rb"\$\{(?:jndi|env|sys|\$\{|:)", re.IGNORECASE)
_AGENT: Final = re.compile(
    rb"\b(?:sqlmap|nikto|nmap|masscan|zgrab|zmap|nuclei|gobuster|dirbuster|dirb|ffuf|wfuzz"
    rb"|feroxbuster|acunetix|nessus|openvas|arachni|w3af|wpscan|joomscan|havij|metasploit|jaeles"
    rb"|whatweb|censysinspect|l9explore|l9tcpid|expanse|netsparker|qualys|burp|commix|xsser)",
    re.IGNORECASE,
)


def signs_in(path: bytes, query: bytes, agent: bytes) -> tuple[Sign, ...]:
    """What a request shows; ``path`` and ``query`` as they came, still encoded."""
    return _signs(path[:_LONGEST], query[:_LONGEST], agent[:_LONGEST_AGENT])


@lru_cache(maxsize=_REQUESTS)
def _signs(path: bytes, query: bytes, agent: bytes) -> tuple[Sign, ...]:
    found: list[Sign] = []
    if not (_ORDINARY_PATH.fullmatch(path) and _ORDINARY_QUERY.fullmatch(query)):
        way, asked = _decoded(path), _decoded(query.replace(b"+", b" "))
        if _SQL.search(way) or _SQL.search(asked):
            found.append(Sign.SQL_INJECTION)
        if _TRAVERSAL.search(way) or _TRAVERSAL.search(asked):
            found.append(Sign.PATH_TRAVERSAL)
        if _PROBE.match(way) or _LOOKUP.search(way) or _LOOKUP.search(asked):
            found.append(Sign.PROBE)
    elif _PROBE.match(path):
        found.append(Sign.PROBE)
    of_agent = _sign_of(agent)
    if of_agent is not None and of_agent not in found:
        found.append(of_agent)
    return tuple(found)


@lru_cache(maxsize=_AGENTS)
def _sign_of(agent: bytes) -> Sign | None:
    if _AGENT.search(agent):
        return Sign.SCANNER
    return Sign.PROBE if _LOOKUP.search(agent) else None


def _decoded(text: bytes) -> bytes:
    """Decoded twice: whoever means to slip past a filter encodes twice."""
    if b"%" not in text:
        return text
    return unquote_to_bytes(unquote_to_bytes(text))
