"""A key is replaced: whoever stands by says what it lacks before it has to lead."""

from __future__ import annotations

import shutil
from typing import Any


def said(pair: Any) -> str:
    return str(pair.probe(pair.other)[1].get("detail", ""))


def test_whoever_stands_by_with_what_was_replaced_says_what_to_do(pair: Any) -> None:
    own, others = (service.data / "audit" / "signing.key" for service in (pair.one, pair.other))
    memory = shutil.copy2(f"{own}.state", own.with_name("before"))
    answer = pair.one.call(
        "POST", "/api/v1/audit/signing-key", json={"actor": "ann", "reason": "once a year"}
    )
    assert answer.status_code == 200, answer.text
    pair.wait_until(lambda: "copy audit/signing.key from" in said(pair), 20, "the key is another")
    assert f"127.0.0.1:{pair.one.port} leads" in said(pair)

    shutil.copy2(memory, f"{others}.state")  # as of one that has led before
    shutil.copy2(own, others)
    pair.wait_until(lambda: "signing.key.state: what was" in said(pair), 20, "and its memory")
    others.with_name("signing.key.state").unlink()
    pair.await_standby(pair.other)
    assert pair.other.log.count("would lead and sign nothing") == 2
