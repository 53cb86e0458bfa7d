"""Digests of the files that decide, and the policy that generated ones say they were made from."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from risk_policy.contracts.safety_snapshot import Digests
from risk_rules.prometheus import RULES_FOLDER
from riskwarden.safety_snapshot.limits import ReadPolicy
from riskwarden.safety_snapshot.sources import Content, Sources, content_of, reason_of
from riskwarden.stack.layout import Layout

#: How a generated file says of which policy it is.
MADE_FROM: Final = re.compile(rb"^# policy sha256: ([0-9a-f]{64})$", re.MULTILINE)
#: Where they lie in a checkout whose policy is ``policy/alerting.toml``.
_COMMITTED: Final = Path("rules/generated"), Path("alertmanager/generated")


@dataclass(frozen=True, slots=True)
class Artefacts:
    """The files that were found.

    Attributes:
        made_from: digests of the policies that they say, by part.
    """

    digests: Digests
    made_from: dict[str, str]


def read_artefacts(
    layout: Layout, policy: ReadPolicy, gate: Content | None, sources: Sources
) -> Artefacts:
    """Those of a stack's folder, or else those of the checkout that the policy is of."""
    own = layout.prometheus.is_dir()
    checkout = policy.path.resolve().parent.parent
    rules_at = layout.prometheus if own else checkout / _COMMITTED[0]
    manager_at = layout.alertmanager if own else checkout / _COMMITTED[1]
    rules = _rules(rules_at / RULES_FOLDER, sources)
    config = sources.file("prometheus configuration", rules_at / "prometheus.yml")
    manager = sources.file("alertmanager configuration", manager_at / "alertmanager.yml")
    made_from = {
        part: said
        for part, contents in (
            ("rules", list(rules.values())),
            ("prometheus configuration", [config] if config else []),
            ("alertmanager configuration", [manager] if manager else []),
        )
        if (said := _said(contents)) is not None
    }
    each = {name: content.digest for name, content in sorted(rules.items())}
    together = hashlib.sha256("".join(f"{n} {d}\n" for n, d in each.items()).encode()).hexdigest()
    return Artefacts(
        Digests(
            policy=policy.digest,
            rules=together if each else None,
            rule_files=each,
            prometheus_config=config.digest if config else None,
            alertmanager_config=manager.digest if manager else None,
            gate=gate.digest if gate else None,
        ),
        made_from,
    )


def _rules(folder: Path, sources: Sources) -> dict[str, Content]:
    name = "rules"
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".yml")
        found = {path.name: content_of(path) for path in paths}
    except FileNotFoundError:
        sources.absent(name, folder)
        return {}
    except OSError as error:
        sources.unreadable(name, folder, reason_of(error))
        return {}
    if not found:
        sources.absent(name, folder, "there is no rule file")
        return {}
    newest = max(one.written_at for one in found.values())
    sources.read(name, folder, newest, f"{len(found)} files")
    return found


def _said(contents: list[Content]) -> str | None:
    """The policy that files were made from; two that differ are none anybody has."""
    said = {
        match[1].decode() if (match := MADE_FROM.search(one.data)) else "unknown"
        for one in contents
    }
    if len(said) > 1:
        return "several"
    return next(iter(said), None)
