"""What Prometheus and Alertmanager really run, and which secrets are in use: read, and no more."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import promql_parser
import yaml
from prometheus_client.parser import text_string_to_metric_families

import risk_rules
from risk_policy import Policy, UnsetVariableError
from risk_policy.catalogue import metrics as m
from risk_policy.environment import Secret, variables
from risk_policy.errors import VaultError
from risk_policy.secret_age import secrets_in_use
from risk_rules import phase
from risk_rules.errors import PhaseError
from riskwarden.alignment import Alignment, measure
from riskwarden.golive.finding import NotKnownError
from riskwarden.golive.ground import Ground
from riskwarden.golive.protection import HeldSecret
from riskwarden.golive.running import RoutesInForce, Rule, RulesInForce
from riskwarden.safety_snapshot.artefacts import MADE_FROM
from riskwarden.safety_snapshot.sources import content_of

_HASH: Final = "alertmanager_config_hash"
_LOADED: Final = "alertmanager_config_last_reload_successful"
_STRING: Final = r'"(?:[^"\\]|\\.)*"'
_SELECTOR: Final = re.compile(rf"\{{(?:[^\"{{}}]|{_STRING})*\}}")
_MATCHER: Final = re.compile(rf"\w+(?:=~|!~|!=|=){_STRING}")
_COMMITTED: Final = Path("alertmanager/generated/alertmanager.yml")


def wanted_rules(policy: Policy) -> frozenset[Rule]:
    """What the policy generates."""
    return frozenset(
        Rule(
            group["name"],
            kind,
            rule[kind],
            _spelt(rule["expr"]),
            _seconds(rule.get("for")),
            _labels(rule),
        )
        for text in risk_rules.generate_rules(policy).values()
        for group in (yaml.safe_load(text) or {}).get("groups", ())
        for rule in group["rules"]
        for kind in (("alert",) if "alert" in rule else ("record",))
    )


def rules_in_force(ground: Ground) -> RulesInForce:
    """What Prometheus evaluates. Raises NotKnownError."""
    url = f"{ground.prometheus_url}/api/v1/rules"
    found, unhealthy = [], []
    try:
        for group in ground.fetched(url).json()["data"]["groups"]:
            for rule in group["rules"]:
                kind = "alert" if rule["type"] == "alerting" else "record"
                found.append(
                    Rule(
                        phase.plain(group["name"]),
                        kind,
                        rule["name"],
                        _spelt(rule["query"]),
                        float(rule.get("duration", 0)),
                        _labels(rule),
                    )
                )
                if rule["health"] != "ok":
                    unhealthy.append(f"{found[-1]}: {rule.get('lastError') or rule['health']}")
    except (KeyError, TypeError, ValueError) as error:
        raise NotKnownError(f"{url} answers not as Prometheus does", "is it Prometheus?") from error
    return RulesInForce(frozenset(found), tuple(unhealthy))


def alignment_of(ground: Ground) -> Alignment | str:
    """How far behind the scrape what trips is evaluated, or why nobody can say."""
    try:
        return measure(ground.policy, ground.prometheus_url)
    except PhaseError as error:
        return str(error)


def _spelt(expression: str) -> str:
    """The one spelling of an expression; itself, if it is none that can be read.

    Prometheus shows what it has read, with the matchers of a selector in the order of their names.
    """
    try:
        read = str(promql_parser.parse(expression))
    except ValueError:
        return expression
    return _SELECTOR.sub(lambda found: f"{{{','.join(sorted(_MATCHER.findall(found[0])))}}}", read)


def _seconds(duration: str | None) -> float:
    return promql_parser.parse_duration(duration).total_seconds() if duration else 0.0


def _labels(rule: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, str(value)) for name, value in (rule.get("labels") or {}).items()))


def policies_said(ground: Ground) -> dict[str, str]:
    """The digest of the policy of every part, as Prometheus sees it. Raises NotKnownError."""
    digest = ground.policy.digest
    found: dict[str, str] = {}
    for one in ground.measured(m.POLICY_INFO.name):
        part, theirs = one.labels.get("component", ""), one.labels.get("digest", "")
        # Of several of a kind, the one that differs is what matters.
        if part and (part not in found or theirs != digest):
            found[part] = theirs
    return found


def targets(ground: Ground) -> tuple[list[str], int, list[str]]:
    """Targets that are down, how many there are, and to whom alerts go. Raises NotKnownError."""
    url = ground.prometheus_url
    try:
        active = ground.fetched(f"{url}/api/v1/targets?state=active").json()["data"][
            "activeTargets"
        ]
        down = [
            f"{one['labels'].get('job', '')} {one['labels'].get('instance', '')}"
            for one in active
            if one["health"] != "up"
        ]
        told = ground.fetched(f"{url}/api/v1/alertmanagers").json()["data"]["activeAlertmanagers"]
        places = [one["url"].partition("://")[2].partition("/")[0] for one in told]
    except (KeyError, TypeError, ValueError) as error:
        raise NotKnownError(f"{url} answers not as Prometheus does", "is it Prometheus?") from error
    return down, len(active), places


def routes_in_force(ground: Ground, at: str) -> RoutesInForce:
    """Which configuration an Alertmanager runs. Raises NotKnownError."""
    path = _routes_file(ground)
    try:
        data = content_of(path).data
    except OSError as error:
        raise NotKnownError(
            f"{path}: {error.strerror}", "name the file with --alertmanager-config"
        ) from error
    said = MADE_FROM.search(data)
    text = ground.fetched(f"http://{at}/metrics").text
    values = dict(_values(text))
    return RoutesInForce(
        str(path),
        said[1].decode() if said else None,
        hash_of(data),
        values.get(_HASH),
        None if _LOADED not in values else values[_LOADED] == 1.0,
    )


def hash_of(data: bytes) -> float:
    """How Alertmanager reckons the hash of its configuration: 48 bits, that fit into a float."""
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    (number,) = struct.unpack("<Q", digest[:6] + b"\0\0")
    return float(number)


def _values(text: str) -> Iterator[tuple[str, float]]:
    lines = [line for line in text.splitlines() if line.startswith((_HASH, _LOADED))]
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            yield sample.name, sample.value


def _routes_file(ground: Ground) -> Path:
    if ground.routes_file is not None:
        return ground.routes_file
    own = ground.layout.alertmanager_config
    if own.is_file():
        return own
    return Path(ground.policy.source).resolve().parent.parent / _COMMITTED


def held_secrets(ground: Ground) -> list[HeldSecret]:
    """Every secret that is needed, with its value if this process may have it."""
    environ = ground.secrets_environment()
    return [
        _held(name, secret, environ)
        for name, secret in secrets_in_use(ground.policy)
        if _is_needed(ground.policy, name)
    ]


def _is_needed(policy: Policy, name: str) -> bool:
    terms = policy.alerting.kill_switch
    only_if = {
        "alerting.auth.approver_token": terms.needs_second_person,
        "alerting.auth.totp_secret": terms.needs_totp,
    }
    return only_if.get(name, True)


def _held(name: str, secret: Secret, environ: dict[str, str]) -> HeldSecret:
    try:
        value = secret.reveal(environ).strip()
    except (UnsetVariableError, VaultError):
        return HeldSecret(name, None)
    for variable in variables(secret.template):
        file = environ.get(f"{variable}_FILE", "")
        if file and not environ.get(variable):
            return HeldSecret(name, value, Path(file), Path(file).stat().st_mode)
    return HeldSecret(name, value)
