"""From ``alerting.toml`` to a typed :class:`Policy`, or every problem at once."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from risk_policy import environment
from risk_policy.checks import exposure_problems, ladder_problems
from risk_policy.environment import Secret
from risk_policy.errors import InvalidPolicyError, Problem, UnsetVariableError
from risk_policy.model.policy import Alerting, Policy

_HERE: Final = Path(__file__).parent
_MISSING: Final = object()


def default_policy_path() -> Path:
    """The policy that comes with the project: inside the wheel, or beside it in a checkout."""
    packaged = _HERE / "alerting.toml"
    return packaged if packaged.exists() else _HERE.parent / "alerting.toml"


def load_policy(path: Path, environ: Mapping[str, str] | None = None) -> Policy:
    """Read and check a policy file.

    Raises:
        InvalidPolicyError: with every problem found.
    """
    source = str(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        problem = Problem("", "", f"cannot be read: {error.strerror or error}")
        raise InvalidPolicyError(source, (problem,)) from error
    return parse_policy(data, source, environ)


def parse_policy(
    data: bytes, source: str = "alerting.toml", environ: Mapping[str, str] | None = None
) -> Policy:
    """Check the content of a policy file. Raises InvalidPolicyError."""
    try:
        text = data.decode("utf-8")
        raw: dict[str, Any] = tomllib.loads(text)
    except UnicodeDecodeError as error:
        problem = Problem("", "", f"is not UTF-8 at byte {error.start}; save it as UTF-8")
        raise InvalidPolicyError(source, (problem,)) from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidPolicyError(source, (_toml_problem(error),)) from error

    problems = list(_foreign_tables(raw))
    alerting_raw = raw.get("alerting", {})
    expanded, unset = _expand(alerting_raw, os.environ if environ is None else environ)
    problems += unset
    alerting: Alerting | None = None
    try:
        alerting = Alerting.model_validate(expanded)
    except ValidationError as error:
        problems += [_problem(detail) for detail in error.errors(include_url=False)]
    tree = {"alerting": expanded}
    problems += ladder_problems(lambda key: _number(tree, key))
    problems += exposure_problems(
        _get(tree, "alerting.dashboard.host"),
        enabled=_get(tree, "alerting.dashboard.enabled") is True,
        authenticated=_get(tree, "alerting.dashboard.auth.enabled") is not False,
    )
    if problems or alerting is None:
        lines = text.splitlines()
        located = [
            Problem(p.key, p.value, p.message, p.line or line_of(lines, p.key)) for p in problems
        ]
        ordered = sorted(located, key=lambda p: (p.line == 0, p.line, p.key))
        raise InvalidPolicyError(source, tuple(dict.fromkeys(ordered)))
    return Policy(alerting=alerting, digest=hashlib.sha256(data).hexdigest(), source=source)


def line_of(lines: list[str], key: str) -> int:
    """The line on which a dotted key, or the closest table around it, is written; 0 if nowhere."""
    best, table, depth = 0, "", 0
    parts = key.split(".")
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if header := re.match(r"\[\[?\s*([^\]]+?)\s*\]", stripped):
            table = header[1].replace(" ", "").replace('"', "")
        elif assignment := re.match(r"([A-Za-z0-9_\-.\" ]+?)\s*=", stripped):
            written = f"{table}.{assignment[1]}".replace('"', "").replace(" ", "").strip(".")
            if key == written or key.startswith(written + "."):
                return number
            continue
        if table and key.startswith(table) and len(table.split(".")) > depth:
            best, depth = number, len(table.split("."))
    return best if depth == len(parts) or depth >= len(parts) - 1 else 0


def _toml_problem(error: tomllib.TOMLDecodeError) -> Problem:
    line = re.search(r"at line (\d+)", str(error))
    return Problem("", "", f"is not valid TOML: {error}", int(line[1]) if line else 0)


def _foreign_tables(raw: Mapping[str, Any]) -> Iterator[Problem]:
    for name in raw:
        if name != "alerting":
            message = "unknown table; everything stands under [alerting]"
            yield Problem(name, "", message + _did_you_mean(name, ["alerting"]))
    if "alerting" in raw and not isinstance(raw["alerting"], dict):
        yield Problem("alerting", _shown(raw["alerting"]), "must be a table: [alerting]")


def _expand(tree: Any, environ: Mapping[str, str]) -> tuple[Any, list[Problem]]:
    """Replace variables in everything but secrets; report unset ones of what is enabled."""
    problems: list[Problem] = []

    def walk(node: Any, model: type[BaseModel] | None, path: str, *, active: bool) -> Any:
        if isinstance(node, dict):
            active = (
                active and node.get("enabled", _default(model, "enabled", fallback=True)) is True
            )
            return {
                name: walk(child, _submodel(model, name), f"{path}.{name}", active=active)
                for name, child in _with_env_defaults(node, model, active=active)
            }
        if isinstance(node, list):
            return [walk(child, None, path, active=active) for child in node]
        if isinstance(node, str | Secret) and (names := environment.variables(str(node))):
            text = str(node)
            try:
                expanded = environment.expand(text, environ)
            except UnsetVariableError as error:
                if active and not path.startswith("alerting.auth"):
                    problems.append(Problem(path, repr(text), str(error)))
                return node
            return text if _is_secret(path, names) else expanded
        return node

    if not isinstance(tree, dict):
        return {}, problems
    return walk(tree, Alerting, "alerting", active=True), problems


def _with_env_defaults(
    node: dict[str, Any], model: type[BaseModel] | None, *, active: bool
) -> Iterator[tuple[str, Any]]:
    """A table's entries, with the defaults of an enabled table that refer to variables."""
    yield from node.items()
    if not active or model is None or "enabled" not in model.model_fields:
        return
    for name, field in model.model_fields.items():
        template = str(field.default) if isinstance(field.default, str | Secret) else ""
        if name not in node and environment.variables(template):
            yield name, template


def _is_secret(path: str, names: tuple[str, ...]) -> bool:
    model: type[BaseModel] | None = Alerting
    *tables, leaf = path.split(".")[1:]
    for table in tables:
        model = _submodel(model, table)
    if model is None or leaf not in model.model_fields:
        return bool(names)
    return model.model_fields[leaf].annotation is Secret


def _submodel(model: type[BaseModel] | None, name: str) -> type[BaseModel] | None:
    if model is None or name not in model.model_fields:
        return None
    annotation = model.model_fields[name].annotation
    return (
        annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
    )


def _default(model: type[BaseModel] | None, name: str, *, fallback: object) -> object:
    if model is None or name not in model.model_fields:
        return fallback
    return model.model_fields[name].default


def _problem(detail: ErrorDetails) -> Problem:
    parts = ["alerting", *(str(part) for part in detail["loc"])]
    key = ".".join(parts)
    kind, value = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        model: type[BaseModel] | None = Alerting
        for part in parts[1:-1]:
            model = _submodel(model, part)
        known = list(model.model_fields) if model else []
        return Problem(key, _shown(value), "unknown key" + _did_you_mean(parts[-1], known))
    if kind == "secret":
        return Problem(key, "(hidden)", detail["msg"])
    if kind in ("model_type", "model_attributes_type"):
        return Problem(key, _shown(value), f"must be a table: [{key}]")
    message = detail["msg"].removeprefix("Value error, ")
    return Problem(key, _shown(value), message[:1].lower() + message[1:])


def _did_you_mean(name: str, known: list[str]) -> str:
    if close := difflib.get_close_matches(name, known, n=1, cutoff=0.6):
        return f"; did you mean {close[0]}?"
    return f"; known here: {', '.join(sorted(known))}" if known else ""


def _shown(value: object) -> str:
    """A value as it may be shown: short, and without what may be a secret in a table."""
    if isinstance(value, dict):
        return "{…}"
    text = repr(str(value) if isinstance(value, Secret) else value)
    return text if len(text) <= 60 else text[:57] + "…"


def _get(tree: Mapping[str, Any], key: str) -> object:
    node: Any = tree
    for part in key.split("."):
        if not isinstance(node, dict) or part not in node:
            return _default_at(key)
        node = node[part]
    return node


def _default_at(key: str) -> object:
    node: object = Policy()
    for part in key.split("."):
        node = getattr(node, part, _MISSING)
    return None if node is _MISSING else node


def _number(tree: Mapping[str, Any], key: str) -> float | None:
    value = _get(tree, key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
