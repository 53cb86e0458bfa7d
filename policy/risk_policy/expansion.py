"""``${NAME}`` in the tree of a policy file: put in where it may stand, reported where it may not.

The tree as written is kept beside the expanded one, and only what is written may be shown:
what comes from the environment may be a secret, in whatever key somebody put it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic.fields import FieldInfo

from risk_policy import environment, fields
from risk_policy.errors import Problem, UnsetVariableError
from risk_policy.fields import Model
from risk_policy.lines import dotted

#: The tokens between the parts, and where the record is kept: each part asks for what it needs
#: when it starts. And the first user, who need not be named by the environment.
_ASKED_LATER: Final = (("alerting", "auth"), ("alerting", "audit"), ("alerting", "dashboard"))
_NOT_HERE: Final = (
    "takes no ${NAME}: the digest of the policy covers the file and not the environment, so "
    "this value has to stand in the file"
)
_MALFORMED: Final = "holds a ${ that is no variable; write ${NAME}, of letters, digits and _"


@dataclass(frozen=True, slots=True)
class Expansion:
    """What became of a tree.

    Attributes:
        written: as in the file, with the templates that enabled tables have by default.
        expanded: the same, with values from the environment.
    """

    written: Any
    expanded: Any
    problems: list[Problem] = field(default_factory=list)


def expand(tree: object, model: Model, root: str, environ: Mapping[str, str]) -> Expansion:
    """Put variables into a tree; unset ones of what is disabled stay as they are."""
    problems: list[Problem] = []
    written = _with_default_templates(tree, model, active=True)
    expanded = _Walk(environ, problems).table(written, model, (root,), active=True)
    return Expansion(written, expanded, problems)


def _is_active(node: Mapping[str, Any], model: Model | None) -> bool:
    switch = fields.field(model, "enabled")
    return node.get("enabled", True if switch is None else switch.default) is True


def _with_default_templates(node: object, model: Model | None, *, active: bool) -> object:
    if not isinstance(node, dict):
        return node
    active = active and _is_active(node, model)
    completed = {
        name: _with_default_templates(child, fields.submodel(model, name), active=active)
        for name, child in node.items()
    }
    if active and model is not None and "enabled" in model.model_fields:
        completed.update(_default_templates(node, model))
    return completed


def _default_templates(node: Mapping[str, Any], model: Model) -> Iterator[tuple[str, object]]:
    for name, found in model.model_fields.items():
        if name in node:
            continue
        if environment.mentions_variable(template := fields.template_of(found)):
            yield name, template
        table = fields.submodel(model, name)
        if table is not None and "enabled" in table.model_fields and _is_active({}, table):
            templates = dict(_default_templates({}, table))
            if templates:
                yield name, templates


class _Walk:
    def __init__(self, environ: Mapping[str, str], problems: list[Problem]) -> None:
        self._environ = environ
        self._problems = problems

    def table(
        self, node: object, model: Model | None, parts: tuple[str, ...], *, active: bool
    ) -> object:
        if not isinstance(node, dict):
            return node
        active = active and _is_active(node, model)
        expanded: dict[str, object] = {}
        for name, child in node.items():
            path = (*parts, name)
            found = fields.field(model, name)
            if found is None or isinstance(child, dict):
                expanded[name] = self.table(
                    child, fields.submodel(model, name), path, active=active
                )
            else:
                expanded[name] = self.value(child, found, path, active=active)
        return expanded

    def value(
        self, node: object, found: FieldInfo, parts: tuple[str, ...], *, active: bool
    ) -> object:
        if isinstance(node, list):
            return [
                self.value(child, found, (*parts, str(index)), active=active)
                for index, child in enumerate(node)
            ]
        if not isinstance(node, str) or not environment.mentions_variable(node):
            return node
        key = dotted(parts)
        if fields.is_secret(found):
            # What nobody needs yet is not asked for: it may be in a Vault that does not answer.
            if active and parts[:2] not in _ASKED_LATER:
                self._expanded(node, key, active=True)
            return node
        if not fields.is_expandable(found):
            self._problems.append(Problem(key, repr(node), _NOT_HERE))
        elif not environment.is_well_formed(node):
            self._problems.append(Problem(key, repr(node), _MALFORMED))
        else:
            return self._expanded(node, key, active=active)
        return node

    def _expanded(self, text: str, key: str, *, active: bool) -> str:
        try:
            return environment.expand(text, self._environ)
        except UnsetVariableError as error:
            if active and environment.is_well_formed(text):
                self._problems.append(Problem(key, repr(text), str(error)))
            return text
