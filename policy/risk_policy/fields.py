"""Finding one's way in the model: which field a key of the file belongs to."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from risk_policy.environment import Expandable, Secret

Model = type[BaseModel]
_SECRETS: Final = (Secret, Secret | None, tuple[Secret, ...])


def field(model: Model | None, name: str) -> FieldInfo | None:
    """The field of that name, if there is one."""
    return None if model is None else model.model_fields.get(name)


def submodel(model: Model | None, name: str) -> Model | None:
    """The model of the table of that name, if it is one."""
    found = field(model, name)
    # Tables of any name are all of one kind.
    annotation: object = getattr(model, "named", None) if found is None else found.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None


def model_at(root: Model, parts: tuple[str, ...]) -> Model | None:
    """The model of the table at a path."""
    model: Model | None = root
    for part in parts:
        model = submodel(model, part)
    return model


def is_secret(found: FieldInfo) -> bool:
    """Whether a field refers to a secret, to several, or to one if it is set at all."""
    return found.annotation in _SECRETS


def is_expandable(found: FieldInfo) -> bool:
    """Whether a field's value may come from the environment."""
    return any(isinstance(item, Expandable) for item in found.metadata)


def template_of(found: FieldInfo) -> str:
    """The default of a text or a secret; empty if it has none."""
    return str(found.default) if isinstance(found.default, str | Secret) else ""
