"""`riskwarden rules …`: one visible table of what can be done with the rules."""

from __future__ import annotations

import typer

from riskwarden.commands import rules_diff, rules_explain, rules_lint, rules_test

app = typer.Typer(help="Prove, check and explain the generated rules.", no_args_is_help=True)
app.command("test")(rules_test.prove)
app.command("lint")(rules_lint.lint)
app.command("explain")(rules_explain.explain)
app.command("diff")(rules_diff.diff)
