"""`riskwarden rules lint`: what is wrong with rules, with an Alertmanager's configuration, or
with its silences, and where in the policy that comes from.

Without files it looks at what the policy generates. promtool and amtool are asked as well if
they are installed; if not, that is said. So is amlint about what only it looks at.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer
import yaml

import risk_alertmanager
import risk_rules
from risk_policy import Policy
from risk_policy.contracts.artefact import (
    ALERT_FEED_TOKEN,
    BESIDE,
    NOTIFICATION_FEED_TOKEN,
    with_tokens_beside,
)
from risk_rules.lint import (
    AMLINT_ADDS,
    Finding,
    Level,
    Material,
    SilencesError,
    amlint_findings,
    findings_of,
    parse_silences,
)
from risk_rules.lint import (
    lint as lint_material,
)
from riskwarden.commands.common import PolicyOption, err, fail, out, policy_or_fail, policy_path

_TIMEOUT_SECONDS: Final = 60
_SILENCES_SECONDS: Final = 5
_COLOURS: Final = {Level.ERROR: "red", Level.WARNING: "yellow"}


@dataclass(slots=True)
class _Files:
    """Files by what they are: name -> text."""

    rules: dict[str, str] = field(default_factory=dict)
    prometheus: dict[str, str] = field(default_factory=dict)
    alertmanager: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.rules) + len(self.prometheus) + len(self.alertmanager)


def lint(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Rule files, configurations of Prometheus or Alertmanager, or folders of them; "
            "what the policy generates if none is named.",
            show_default=False,
        ),
    ] = None,
    policy: PolicyOption = None,
    silences: Annotated[
        Path | None,
        typer.Option(
            "--silences",
            help="Also check these silences: JSON as /api/v2/silences answers with.",
            show_default=False,
        ),
    ] = None,
    alertmanager: Annotated[
        str | None,
        typer.Option(
            "--alertmanager", help="Also check the silences of this URL.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Find what is wrong with rules; exit 1 on errors, 0 if there are only warnings."""
    loaded = policy_or_fail(policy)
    source = policy_path(policy)
    found = _read(files) if files else _generated(loaded)
    if not found.count:
        fail("none of the named files is a rule file or a configuration")
    try:
        muted = parse_silences(_silences(silences, alertmanager))
    except SilencesError as error:
        fail(str(error))
    material = Material(
        found.rules,
        found.alertmanager,
        muted,
        # What Alertmanager is sent as well, whatever was named here.
        _generated(loaded).rules if files and (muted or found.alertmanager) else {},
    )
    findings = list(lint_material(loaded, source.read_text(encoding="utf-8"), material))
    missing: list[str] = []
    if shutil.which("amlint"):
        findings += _amlint(found)
    for tool, check in (("promtool", _promtool), ("amtool", _amtool)):
        if shutil.which(tool):
            findings += check(found)
        else:
            missing.append(tool)
    _show(findings, missing, found, str(source), as_json=as_json)
    raise typer.Exit(1 if any(each.level is Level.ERROR for each in findings) else 0)


def _show(
    findings: list[Finding], missing: list[str], found: _Files, source: str, *, as_json: bool
) -> None:
    errors = sum(each.level is Level.ERROR for each in findings)
    warnings = len(findings) - errors
    if as_json:
        content = {
            "errors": errors,
            "warnings": warnings,
            "not_installed": missing,
            "policy": source,
            "findings": [each.document() for each in findings],
        }
        typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
        return
    for each in findings:
        out.print(each.render(source), style=_COLOURS[each.level], markup=False)
    for tool in missing:
        err.print(f"{tool} is not installed, so it was not asked", markup=False)
    out.print(
        f"{_counted(found.count, 'file')}: {_counted(errors, 'error')}, "
        f"{_counted(warnings, 'warning')}",
        markup=False,
    )


def _generated(policy: Policy) -> _Files:
    """What the policy generates, under the names it has in the tree."""
    files = _Files()
    policy = with_tokens_beside(policy)  # promtool looks whether the files are there
    try:
        generated = risk_rules.generate_rules(policy)
    except risk_rules.RulesError as error:
        fail(f"{policy.source}: {error}", 1)
    for name, text in generated.items():
        files.rules[f"rules/generated/{name}"] = text
    configuration = risk_rules.prometheus_config(policy)
    files.prometheus["rules/generated/prometheus.yml"] = configuration
    for name, text in risk_alertmanager.generate(policy).items():
        files.alertmanager[f"alertmanager/generated/{name}"] = text
    return files


def _read(paths: list[Path]) -> _Files:
    files = _Files()
    for path in _expanded(paths):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            fail(f"{path} cannot be read: {error}")
        kind = _kind(text)
        if kind is not None:
            getattr(files, kind)[str(path)] = text
    return files


def _expanded(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*.y*ml") if each.is_file())
        else:
            yield path


def _kind(text: str) -> str | None:
    """What a file is, by what stands in it; what cannot be read counts as rules."""
    try:
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError:
        return "rules"
    keys = content.keys() if isinstance(content, dict) else set()
    if "tests" in keys:
        return None
    if "route" in keys or "receivers" in keys:
        return "alertmanager"
    return "prometheus" if {"scrape_configs", "rule_files", "global"} & set(keys) else "rules"


def _silences(path: Path | None, url: str | None) -> str:
    if path is not None:
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            fail(f"{path} cannot be read: {error}")
    if url is None:
        return "[]"
    try:
        answer = httpx.get(
            url.rstrip("/") + "/api/v2/silences", timeout=_SILENCES_SECONDS, trust_env=False
        )
        answer.raise_for_status()
    except httpx.HTTPError as error:
        fail(f"the silences of {url} cannot be read: {error}")
    return answer.text


def _promtool(files: _Files) -> list[Finding]:
    """Rules together, as duplicates may stand in two files; then each configuration."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rules = _written(folder / "rules", files.rules)
        configs = _written(folder, files.prometheus)
        findings = []
        if rules:
            findings += _run(
                ["promtool", "check", "rules", "--lint=all", "--lint-fatal", *rules], rules
            )
        for path, shown in configs.items():
            findings += _run(["promtool", "check", "config", path], {path: shown, **rules})
        return list(dict.fromkeys(findings))


def _amtool(files: _Files) -> list[Finding]:
    with tempfile.TemporaryDirectory() as name:
        written = _written(Path(name), files.alertmanager)
        return [
            finding
            for path, shown in written.items()
            for finding in _run(["amtool", "check-config", path], {path: shown})
        ]


def _amlint(files: _Files) -> list[Finding]:
    command = ["amlint", "check", "--format=json", f"--only={AMLINT_ADDS}"]
    with tempfile.TemporaryDirectory() as name:
        return [
            finding
            for path, shown in _written(Path(name), files.alertmanager).items()
            for finding in amlint_findings(shown, _asked([*command, path])[1])
        ]


def _written(folder: Path, files: dict[str, str]) -> dict[str, str]:
    """Copies in a folder with tokens in it: full path -> the name it is shown under."""
    written = {}
    for number, (shown, text) in enumerate(files.items()):
        # Rules are found by prometheus.yml beside it, whatever they are called.
        path = folder / f"{number:04d}-{Path(shown).name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written[str(path)] = shown
    for token in (ALERT_FEED_TOKEN, NOTIFICATION_FEED_TOKEN):
        path = folder / BESIDE / token
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return written


def _run(command: list[str], files: dict[str, str]) -> list[Finding]:
    code, output, errors = _asked(command)
    return list(findings_of(command[0], files, code, f"{output}\n{errors}"))


def _asked(command: list[str]) -> tuple[int, str, str]:
    """What a tool ended with, and what it said."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return 1, "", f"did not end within {_TIMEOUT_SECONDS} s"
    return done.returncode, done.stdout, done.stderr


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
