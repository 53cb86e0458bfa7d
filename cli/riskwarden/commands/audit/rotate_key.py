"""`riskwarden audit rotate-key`."""

from __future__ import annotations

from typing import Annotated

import typer

from riskwarden.commands.common import LATEST, DataOption, PolicyOption, err
from riskwarden.commands.kill import ReceiversOption
from riskwarden.operator import Operator, operator_name, printable


def rotate_key(
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes on record.")],
    lost: Annotated[
        bool, typer.Option("--lost", help="The key in force is lost: nobody can take over from it.")
    ] = False,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Have a new key sign the audit chain; prints its verifier key, to be kept by auditors.

    It is put on record, and the checkpoint that covers this is signed by both keys: who has pinned
    the first key goes on with it. The old key is deleted. Where somebody else may have had it, tell
    your auditors which head was the last that you trust.

    With --lost the key that the signer has now, made anew or restored, begins to sign, on record.
    Nobody vouches for it but you: from then on verify with both keys, --key OLD --key NEW.
    """
    body = {"actor": operator_name(), "reason": printable(reason), "lost": lost}
    answer = Operator(data, policy, receivers).ask("POST", "/api/v1/audit/signing-key", body)
    signed = f"up to {answer['signed']}" if lost else f"by both up to {answer['signed']}"
    err.print(f"it takes over from {answer['old']}, signed {signed}:")
    typer.echo(answer["new"])
