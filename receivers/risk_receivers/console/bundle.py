"""Many files as one: a page that asks for thirty waits for thirty answers.

Scripts are modules of a plain kind: they import names by relative paths and export what they
declare. Each becomes a function that is called once, in the order in which they need each other, so
none sees another's names but those that it imports. Anything else than that is an error at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

_IMPORT: Final = re.compile(r'import \{ (?P<names>\w+(?:, \w+)*) \} from "\./(?P<name>\w+)\.js";\n')
_EXPORT: Final = re.compile(
    r"^export (?=(?:const|class|function|async function) (?P<name>\w+))", re.MULTILINE
)
_OTHER: Final = re.compile(r"^(?:import|export)\b.*|\bimport\(.*", re.MULTILINE)


class BundleError(Exception):
    """A script that cannot be made a part of one."""


def script(first: str, sources: Mapping[str, str]) -> str:
    """A script and all that it needs, as one module; names are without their suffix.

    Raises BundleError.
    """
    exports: dict[str, list[str]] = {}
    parts = []
    for name in _in_order(first, sources):
        exports[name] = [found["name"] for found in _EXPORT.finditer(sources[name])]
        parts.append(_function(name, sources[name], exports))
    return "".join(parts)


def _function(name: str, source: str, exports: Mapping[str, Sequence[str]]) -> str:
    for found in _IMPORT.finditer(source):
        # A browser refuses that of modules; of what stands in for them a name is undefined.
        if gone := set(found["names"].split(", ")).difference(exports[found["name"]]):
            raise BundleError(f"{name}.js: {found['name']}.js exports no {', '.join(sorted(gone))}")
    body = _EXPORT.sub("", _IMPORT.sub(r"const { \g<names> } = $\g<name>;\n", source))
    if odd := _OTHER.search(body):
        raise BundleError(f"{name}.js: {odd[0]}")
    return f"const ${name} = (() => {{\n{body}return {{ {', '.join(exports[name])} }};\n}})();\n"


def _in_order(first: str, sources: Mapping[str, str]) -> Iterator[str]:
    """What is needed comes before what needs it."""
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> Iterator[str]:
        if name in above:
            raise BundleError(f"these need each other: {', '.join((*above, name))}")
        if name in done:
            return
        if name not in sources:
            raise BundleError(f"{above[-1]}.js needs {name}.js, which is not there")
        for needed in _IMPORT.finditer(sources[name]):
            yield from visit(needed["name"], (*above, name))
        done.add(name)
        yield name

    yield from visit(first, ())
