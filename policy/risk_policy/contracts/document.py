"""Generated YAML as people want to read it: in order, unwrapped, multi-line text as blocks.

For the generators alone: PyYAML comes with the extra `stack`, so nothing embedded imports this.
"""

from __future__ import annotations

import sys
from typing import Any

import yaml

from risk_policy.contracts.artefact import heading
from risk_policy.model import Policy


class _Dumper(yaml.SafeDumper):
    """Block style throughout, list items indented, no anchors."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002 - PyYAML's signature
        super().increase_indent(flow, False)  # noqa: FBT003

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def render(policy: Policy, content: dict[str, Any], comment: str = "") -> str:
    """A generated file: heading, comment, content. Raises ArtefactError."""
    remarks = "".join(f"# {line}\n" for line in comment.splitlines())
    body = yaml.dump(
        content,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=sys.maxsize,
        default_flow_style=False,
    )
    return f"{heading(policy)}{remarks}\n{body}"
