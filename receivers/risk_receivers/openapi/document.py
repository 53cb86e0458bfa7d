"""Makes the OpenAPI document of what is served, from the table of access and the descriptions.

Pure. Schemas are those of the types that the code reads and answers with, so the document says
nothing that the code does not hold to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from risk_policy.vocabulary import Permission
from risk_receivers.access import NEEDS, OPEN, Need
from risk_receivers.auth import Key
from risk_receivers.incidents.views import INCIDENT
from risk_receivers.openapi.endpoint import Endpoint
from risk_receivers.problem import CONTENT_TYPE, JSON
from risk_receivers.sessions.credentials import PLAIN_COOKIE, SECURE_COOKIE
from risk_receivers.shapes.common import Problem

_REF: Final = "#/components/schemas/{model}"
#: As Flask has them and, for a few, as the front has them.
_PARAMETER: Final = re.compile(r"<(?:(\w+):)?(\w+)>")
_IN_BRACES: Final = re.compile(r"\{(\w+)\}")
_SCHEMAS: Final = {
    "int": {"type": "integer", "minimum": 1},
    "incident": {"type": "string", "pattern": f"^{INCIDENT}$"},
}
_WORD: Final = {"type": "string", "minLength": 1}
#: What any request can be answered with, whatever it asks for.
_ALWAYS: Final = (500, 503)
_PROBES: Final = ("/healthz", "/readyz", "/metrics")
_WITH_A_BODY: Final = (400, 408, 413)


def document(endpoints: Mapping[str, Endpoint]) -> dict[str, Any]:
    """The document. Raises LookupError for an endpoint that is not described, or not served."""
    if different := endpoints.keys() ^ (NEEDS.keys() | OPEN):
        raise LookupError(f"described or served, and not both: {', '.join(sorted(different))}")
    schemas, refs = _schemas(endpoints)
    paths: dict[str, dict[str, Any]] = {}
    for what, endpoint in endpoints.items():
        method, path = what.split(" ", 1)
        path = _PARAMETER.sub(r"{\2}", path)
        paths.setdefault(path, {})[method.lower()] = _operation(what, path, endpoint, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Riskwarden",
            "version": version("riskwarden"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": SECURE_COOKIE,
                    "description": f"Over plain HTTP the cookie is {PLAIN_COOKIE}. What is not "
                    "GET takes the session's token as X-CSRF-Token, too.",
                },
            },
        },
    }


def _operation(
    what: str, path: str, endpoint: Endpoint, refs: Mapping[object, dict[str, Any]]
) -> dict[str, Any]:
    needs = NEEDS.get(what, ())
    operation: dict[str, Any] = {
        "operationId": _PARAMETER.sub("", what).lower().replace(" /", "_").replace("/", "_"),
        "summary": endpoint.summary,
        "description": " ".join(filter(None, (_who(needs), _asked(endpoint)))),
        "security": _security(needs),
        "responses": dict(_responses(endpoint, refs, is_open=not needs, is_probe=path in _PROBES)),
    }
    kinds = {name: kind for kind, name in _PARAMETER.findall(what)}
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": _SCHEMAS.get(kinds.get(name, ""), _WORD),
        }
        for name in _IN_BRACES.findall(path)
    ]
    parameters += _query(endpoint.query)
    if parameters:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        is_any = isinstance(endpoint.body, dict)
        schema = endpoint.body if is_any else refs[endpoint.body]
        operation["requestBody"] = {"required": not is_any, "content": {JSON: {"schema": schema}}}
    return operation


def _security(needs: tuple[Need, ...]) -> list[dict[str, list[str]]]:
    """A token is good for all that takes anything, a session for what people do."""
    if not needs:
        return []
    schemes = ["bearer"]
    if any(isinstance(need, Permission) for need in needs):
        schemes.append("session")
    return [{scheme: []} for scheme in schemes]


def _who(needs: tuple[Need, ...]) -> str:
    if not needs:
        return "Anybody may ask for it."
    permissions = [need.value for need in needs if isinstance(need, Permission)]
    keys = [f"alerting.auth.{need.value}" for need in needs if isinstance(need, Key)]
    said = [f"permission {' or '.join(permissions)}"] if permissions else []
    said += [f"the token {' or '.join(keys)}"] if keys else []
    return f"Takes {', or '.join(said)}."


def _asked(endpoint: Endpoint) -> str:
    """What its parameters mean, as whoever reads them was told."""
    said = endpoint.query.__doc__ if endpoint.query is not None else None
    return " ".join((said or "").replace("``", "`").split())


def _responses(
    endpoint: Endpoint,
    refs: Mapping[object, dict[str, Any]],
    *,
    is_open: bool,
    is_probe: bool,
) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(endpoint.answer, str):
        kinds = endpoint.answer.split(", ")
        content: dict[str, Any] = {kind: {"schema": {"type": "string"}} for kind in kinds}
    else:
        content = {JSON: {"schema": refs[endpoint.answer]}}
    yield "200", {"description": "Done", "content": content}
    for code in endpoint.also:
        yield str(code), {"description": HTTPStatus(code).phrase}
    refusals = {*endpoint.refusals, *_ALWAYS}
    if not is_probe:
        refusals |= {403, 429}  # whoever is outside, or asks for too much
    if not is_open:
        refusals.add(401)
    if endpoint.query is not None:
        refusals.add(400)
    if endpoint.body is not None:
        refusals |= {*_WITH_A_BODY}
    for code in sorted(refusals):
        yield (
            str(code),
            {
                "description": HTTPStatus(code).phrase,
                "content": {CONTENT_TYPE: {"schema": refs[Problem]}},
            },
        )


def _query(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    """Every field of a model as a parameter; what it refers to is written out."""
    if model is None:
        return []
    whole = model.model_json_schema()
    definitions = whole.get("$defs", {})
    required = whole.get("required", ())
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "schema": _written_out(schema, definitions),
        }
        for name, schema in whole["properties"].items()
    ]


def _written_out(schema: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_written_out(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if (ref := schema.get("$ref")) is not None:
        return _written_out(definitions[ref.rpartition("/")[2]], definitions)
    kept = {name: _written_out(value, definitions) for name, value in schema.items()}
    if "anyOf" in kept:  # nobody sends null in a query string
        kept["anyOf"] = [one for one in kept["anyOf"] if one != {"type": "null"}]
        if kept.get("default", "") is None:
            del kept["default"]
    return kept


def _schemas(
    endpoints: Mapping[str, Endpoint],
) -> tuple[dict[str, Any], dict[object, dict[str, Any]]]:
    """All schemas by name, and how each type is referred to."""
    bodies = [one.body for one in endpoints.values() if isinstance(one.body, type)]
    answers = [one.answer for one in endpoints.values() if not isinstance(one.answer, str)]
    adapters: list[tuple[object, JsonSchemaMode, TypeAdapter[Any]]] = [
        *((body, "validation", TypeAdapter(body)) for body in dict.fromkeys(bodies)),
        *(
            (answer, "serialization", TypeAdapter(answer))
            for answer in dict.fromkeys([Problem, *answers])
        ),
    ]
    made, schemas = TypeAdapter.json_schemas(adapters, ref_template=_REF)
    refs = {key: schema for (key, _), schema in made.items()}
    return schemas.get("$defs", {}), refs
