"""No key of the policy is there for nothing: each is read somewhere, beside being checked."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, get_args, get_origin

from risk_policy import fields
from risk_policy.model.policy import Alerting

ROOT: Final = Path(__file__).parents[2]
FOLDERS: Final = (
    *("policy", "exporter", "rules", "alertmanager", "receivers", "grafana", "runtime", "cli"),
)
#: What looks at keys only to say what is wrong with them, or what they mean.
_NO_READER: Final = (
    "policy/risk_policy/checks.py",
    "policy/risk_policy/report_checks.py",
    "cli/riskwarden/reference/",
)
#: Key with a part that is put in -> where it is read so.
PUT_TOGETHER: Final = {
    ".security.{}_count": ("rules/risk_rules/guard.py", "alerting.security.{kind}_count"),
}


def keys(model: fields.Model, before: str = "alerting") -> Iterator[str]:
    """Every key that may say more than one thing."""
    for name, found in model.model_fields.items():
        below = fields.submodel(model, name)
        if below is not None:
            yield from keys(below, f"{before}.{name}")
        elif not _says_one_thing(found.annotation):
            yield f"{before}.{name}"


def _says_one_thing(annotation: object) -> bool:
    return get_origin(annotation) is Literal and len(get_args(annotation)) == 1


def sources() -> Iterator[Path]:
    for folder in FOLDERS:
        for path in (ROOT / folder).glob("risk*/**/*.py"):
            if not path.relative_to(ROOT).as_posix().startswith(_NO_READER):
                yield path


def names_in(path: Path) -> Iterator[str]:
    """Every attribute and every part of a dotted text; of the model, but for its validators."""
    text = path.read_text(encoding="utf-8")
    if "policy/risk_policy/model/" in path.as_posix():
        text = "\n".join(
            ast.unparse(method)
            for each in ast.parse(text).body
            for method in getattr(each, "body", ())
            if isinstance(method, ast.FunctionDef)
            and "validator" not in "".join(map(ast.unparse, method.decorator_list))
        )
    yield from re.findall(r"\.(\w+)", text)
    yield from re.findall(r"[\"'](\w+)[\"'.]", text)


def test_every_key_of_the_policy_is_read_somewhere() -> None:
    read = {name for path in sources() for name in names_in(path)}
    found = list(keys(Alerting))
    assert len(found) > 300
    unread = {key for key in found if key.rpartition(".")[2] not in read}
    for pattern, (path, text) in PUT_TOGETHER.items():
        assert text in (ROOT / path).read_text(encoding="utf-8")
        before, _, after = pattern.partition("{}")
        unread -= {key for key in unread if before in key and key.endswith(after)}
    assert unread == set()
