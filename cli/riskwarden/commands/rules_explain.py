"""`riskwarden rules explain`: an alert in words, with how it stands now if Prometheus answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from risk_policy import Policy, audience
from risk_policy.catalogue.limits import LIMITS
from risk_policy.catalogue.system import SYSTEM_ALERTS
from risk_policy.lines import Lines
from risk_policy.vocabulary import Layer
from risk_rules import RulesError
from risk_rules.explain import (
    Asked,
    Explanation,
    Reading,
    Sample,
    UnknownAlertError,
    ago,
    command,
    draw,
    queries,
    readings,
)
from risk_rules.explain import explain as explain_alert
from riskwarden.commands.common import PolicyOption, fail, out, policy_or_fail, policy_path

#: Nobody waits long for an explanation: without an answer it is given without readings.
_TIMEOUT_SECONDS: Final = 2.0
_INDENT: Final = 2
_COLOURS: Final = {"warning": "yellow", "critical": "red", "emergency": "bold red"}


def explain(
    alert: Annotated[
        str | None,
        typer.Argument(help="Name of the alert; all are listed without one.", show_default=False),
    ] = None,
    policy: PolicyOption = None,
    prometheus: Annotated[
        str | None,
        typer.Option(
            "--prometheus", help="URL of Prometheus; the policy's endpoint.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Explain an alert: what it watches, who is told when, what escalates, what quiets it."""
    loaded = policy_or_fail(policy)
    if alert is None:
        _show_all(loaded, as_json=as_json)
        return
    try:
        explained = explain_alert(loaded, alert)
    except UnknownAlertError as error:
        fail(str(error))
    except RulesError as error:
        fail(f"{loaded.source}: {error}", 1)
    url = (prometheus or loaded.alerting.endpoints.prometheus).rstrip("/")
    if "://" not in url:
        url = f"http://{url}"
    now = _now(url, loaded, explained.name)
    if as_json:
        standing = {
            "prometheus": url,
            "reachable": now is not None,
            "readings": [asdict(each) for each in now or ()],
        }
        content = {"sha256": loaded.digest, **explained.document(), "now": standing}
        typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
        return
    _show(loaded, policy_path(policy), explained, url, now)


def _show(
    policy: Policy, source: Path, alert: Explanation, url: str, now: tuple[Reading, ...] | None
) -> None:
    tier = f"tier {alert.tier}, " if alert.tier else ""
    colour = _COLOURS.get(alert.severity, "cyan")
    out.print(Text.assemble((alert.name, f"bold {colour}"), f"  {alert.title}"))
    out.print(
        f"severity {alert.severity}, {tier}{alert.category.replace('_', ' ')}, "
        f"layer {alert.layer.replace('_', ' ')}, action {alert.action.replace('_', ' ')}",
        style="dim",
    )
    watched = alert.watched
    clears = [f"Clears at {watched.clear}."] if watched.clear else []
    _section("What it watches", [watched.what, watched.condition, *clears, alert.meaning])
    _section("Policy", _settings(source, watched.settings))
    _section("Now", _standing(url, now, watched.threshold))
    _section("Who is told", audience.lines(alert.told, alert.waits))
    _section("While nobody acknowledges it", draw(alert.timeline, out.width - _INDENT))
    _section(
        "Also escalates",
        [
            f"When it {each.when}" + (f": counts as {each.severity}" if each.severity else "")
            for each in alert.rising
        ],
    )
    _section("What acknowledges it", [alert.acknowledgement.covers])
    _unwrapped(filter(None, [alert.acknowledgement.own]))
    _unwrapped(_commands(policy, alert, now))
    _section("What the system does", list(alert.system))
    _section("What to do", [alert.advice, f"Runbook: {alert.runbook}"])
    _section("PromQL", [""] if alert.rules else [])
    for title, expression in alert.rules.items():
        out.print(Padding(Text(title, "dim"), (0, 0, 0, _INDENT), expand=False), soft_wrap=False)
        _unwrapped(expression.splitlines(), _INDENT * 2)


def _section(title: str, lines: Iterable[str]) -> None:
    """A heading with its lines, wrapped; nothing if there are none."""
    found = list(lines)
    if not found:
        return
    out.print()
    out.print(Text(title, "bold"))
    for line in filter(None, found):
        out.print(Padding(Text(line), (0, 0, 0, _INDENT), expand=False), soft_wrap=False)


def _unwrapped(lines: Iterable[str], indent: int = _INDENT) -> None:
    """What is copied from the terminal must not be broken by it."""
    for line in lines:
        out.print(Text(" " * indent + line, "cyan"), soft_wrap=True)


def _settings(source: Path, settings: dict[str, str]) -> Iterator[str]:
    lines = Lines(source.read_text(encoding="utf-8-sig"))
    for key, value in settings.items():
        line = lines.of(key)
        yield f"{key} = {value} ({source}:{line})" if line else f"{key} = {value} (default)"


def _standing(url: str, now: tuple[Reading, ...] | None, threshold: str) -> Iterator[str]:
    if now is None:
        yield f"Prometheus not reachable at {url}"
        return
    if not now:
        yield f"Nothing is reported for it, and it does not fire ({url})."
    for each in now:
        value = f" is {each.value}" if each.value else ""
        against = f" (threshold {threshold})" if each.value and threshold else ""
        firing = f"fires as {', '.join(each.severities)}" if each.severities else ""
        state = ""
        if each.breached_seconds is not None:
            state = f"in breach for {ago(each.breached_seconds)}"
            state += (
                f", unacknowledged for {ago(each.waiting_seconds)}"
                if each.waiting_seconds is not None
                else ", acknowledged or not escalating"
            )
        elif threshold:
            state = "no longer in breach, but held" if firing else "not in breach"
        elif not firing:
            state = "does not fire"
        yield f"{each.risk_id or 'it'}{value}{against}: {'; '.join(filter(None, (state, firing)))}"


def _commands(policy: Policy, alert: Explanation, now: tuple[Reading, ...] | None) -> Iterator[str]:
    """One for each that fires; else the one with what has to be filled in."""
    acknowledgement = alert.acknowledgement
    firing = [each.risk_id for each in now or () if each.severities and each.risk_id]
    if acknowledgement.command and firing:
        yield from (command(policy, risk_id, acknowledgement.tiers) for risk_id in firing)
    elif acknowledgement.command:
        yield acknowledgement.command


def _now(url: str, policy: Policy, name: str) -> tuple[Reading, ...] | None:
    """How things stand, or None if Prometheus does not say."""
    answers: dict[Asked, list[Sample]] = {}
    try:
        with httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
            for asked, query in queries(policy, name).items():
                answer = client.get(f"{url}/api/v1/query", params={"query": query})
                answer.raise_for_status()
                answers[asked] = list(_samples(answer.json()["data"]["result"]))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        # Something else may listen there; that is no Prometheus either.
        return None
    return readings(name, answers)


def _samples(result: list[dict[str, Any]]) -> Iterator[Sample]:
    for series in result:
        at, value = series["value"]
        yield Sample(series["metric"], float(value), float(at))


def _show_all(policy: Policy, *, as_json: bool) -> None:
    names = [(limit.layer, spec.name) for limit in LIMITS for spec in limit.alerts]
    names += [(alert.layer, alert.name) for alert in SYSTEM_ALERTS]
    try:
        ordered = [
            explain_alert(policy, name)
            for layer in Layer
            for other, name in names
            if other is layer
        ]
    except RulesError as error:
        fail(f"{policy.source}: {error}", 1)
    if as_json:
        content = [{**each.document(), "rules": len(each.rules)} for each in ordered]
        typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
        return
    table = Table(title=f"{len(ordered)} alerts", title_justify="left")
    for column in ("alert", "severity", "fires at", "clears", "action", "what it says"):
        table.add_column(column, no_wrap=column == "alert")
    layer = ""
    for each in ordered:
        if each.layer != layer:
            layer = each.layer
            table.add_section()
            table.add_row(Text(layer.replace("_", " "), "bold"))
        table.add_row(
            each.name,
            Text(each.severity, _COLOURS.get(each.severity, "")),
            each.watched.threshold,
            each.watched.clear,
            each.action.replace("_", " "),
            each.title,
        )
    out.print(table, soft_wrap=False)
