"""`riskwarden channels`: what people will read, and whether they will."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from risk_policy.vocabulary import Severity
from risk_receivers.channels.message import Kind
from risk_receivers.templating.lint import lint as lint_templates
from risk_receivers.templating.parts import BUILT_IN, PARTS
from risk_receivers.templating.renderer import Renderer, templates_folder
from risk_receivers.templating.samples import sample
from riskwarden.commands.channel_health import health, try_out
from riskwarden.commands.common import PolicyOption, err, fail, out, policy_or_fail
from riskwarden.commands.dead_letters import app as dead_letters

app = typer.Typer(help="See and check what people are told, and by what.", no_args_is_help=True)
app.command()(health)
app.command(name="test")(try_out)
app.add_typer(dead_letters, name="dead-letters")


@app.command()
def preview(
    channel: Annotated[
        str | None, typer.Argument(help="The channel; all unless given.", show_default=False)
    ] = None,
    kind: Annotated[Kind, typer.Option("--kind", help="Why people are told.")] = Kind.FIRING,
    severity: Annotated[
        Severity, typer.Option("--severity", help="How bad it is.")
    ] = Severity.CRITICAL,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write the mail as HTML to this file.")
    ] = None,
    policy: PolicyOption = None,
) -> None:
    """Show a sample message as each channel words it, with your templates if there are any."""
    loaded = policy_or_fail(policy)
    if channel is not None and channel not in PARTS:
        fail(f"{channel} words no messages; those that do: {', '.join(PARTS)}")
    failed: list[str] = []
    renderer = Renderer.from_policy(loaded, failed.append)
    owed = sample(kind, severity, loaded.alerting.runbooks.base_url)
    try:
        for name in [channel] if channel else PARTS:
            rendered = renderer.render_for(name)(owed)
            out.rule(name, align="left")
            out.print(rendered.subject, markup=False, style="bold")
            out.print(rendered.text, markup=False)
            if html is not None and rendered.html:
                html.write_text(rendered.html, encoding="utf-8")
                err.print(f"{name}: HTML written to {html}", markup=False)
    except OSError as error:
        fail(f"{html}: {error.strerror}")
    finally:
        renderer.close()
    if failed:
        names = ", ".join(dict.fromkeys(failed))
        fail(f"templates of {names} failed, shown are the built-in words; see channels lint", 1)


@app.command()
def lint(policy: PolicyOption = None) -> None:
    """Try every template on ordinary and awkward alerts; every problem with file and line."""
    folder = templates_folder(policy_or_fail(policy))
    wrong = 0
    for where in filter(None, (BUILT_IN, folder)):
        for finding in lint_templates(folder if where is folder else None):
            line = f":{finding.line}" if finding.line else ""
            note = "note: " if finding.is_note else ""
            told = f"{where / finding.file}{line}: {note}{finding.problem}; {finding.remedy}"
            err.print(told, markup=False)
            wrong += not finding.is_note
    if wrong:
        fail(f"{wrong} problem{'s' if wrong != 1 else ''} in the templates", 1)
    checked = f"those in {folder}" if folder else "none of your own"
    out.print(f"templates are fine: the built-in ones and {checked}", markup=False)
