"""The runbooks as files, for when nobody serves them: the receivers may be what is down."""

from __future__ import annotations

from typing import Final

from risk_policy import Policy
from risk_policy.catalogue import runbooks as catalogue
from risk_policy.catalogue.limits import LIMITS
from risk_policy.catalogue.system import SYSTEM_ALERTS
from risk_policy.vocabulary import Layer
from risk_rules.explain import rules_of
from risk_rules.groups import rule_files
from riskwarden.reference.pages import NOTICE, page, table

_ABOUT: Final = (
    "One for each alert: what it watches, who is told, what the system does, how to find out more, "
    "what to do and whom to call. The receivers serve the same at `/runbooks/<alert>`, which every "
    "alert links to; these are for when the receivers are what is down."
)


def runbooks(policy: Policy) -> dict[str, str]:
    """File name -> content: one page for each alert, with its rules, and a list of them."""
    files = rule_files(policy)
    pages = {
        f"{name}.md": f"{NOTICE}\n\n{_page(policy, name, rules_of(files, name))}"
        for name in catalogue.names()
    }
    return {"README.md": _index(policy), **pages}


def _page(policy: Policy, name: str, rules: dict[str, str]) -> str:
    return catalogue.render(policy, name, rules, "{}.md".format)


def _index(policy: Policy) -> str:
    found = [
        (limit.layer, spec.name, spec.severity, spec.summary)
        for limit in LIMITS
        for spec in limit.alerts
    ]
    found += [(each.layer, each.name, each.severity, each.summary) for each in SYSTEM_ALERTS]
    blocks = [
        "# Runbooks",
        _ABOUT,
    ]
    for layer in Layer:
        rows = [
            (f"[{name}]({name}.md)", severity.value, summary.replace("{subject}", "…"))
            for other, name, severity, summary in found
            if other is layer
        ]
        if rows:
            title = layer.value.replace("_", " ").capitalize()
            blocks += [f"## {title}", table(("alert", "severity", "what it says"), rows)]
    return page(policy, blocks)
