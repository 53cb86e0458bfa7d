"""Alertmanager configurations that tell people too little, held against the alerts it is sent."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from risk_policy.lines import Lines
from risk_rules.lint import inhibition, routes
from risk_rules.lint.alerts import Alert
from risk_rules.lint.config import Config
from risk_rules.lint.finding import Finding, Level


def check_config(
    file: str, text: str, alerts: tuple[Alert, ...], policy_lines: tuple[str, ...]
) -> Iterator[Finding]:
    """Every finding about one; without alerts, only what can be said about any."""
    at = Lines("\n".join(policy_lines))

    def reporter(check: str) -> inhibition.Report:
        def report(
            message: str, remedy: str, line: int, level: Level = Level.ERROR, key: str = ""
        ) -> Finding:
            return Finding(
                check, level, message, remedy, file=file, line=line, key=key,
                policy_line=at.of(key) if key else 0,
            )  # fmt: skip

        return report

    report = reporter("inhibition")
    try:
        config = Config.read(file, text)
    except yaml.YAMLError as error:
        yield report(f"is not YAML: {error}", "mend the file", 0)
        return
    for rule in config.inhibitions:
        yield from inhibition.check(rule, alerts, report)
    yield from routes.check(config, alerts, reporter("routes"))
