"""The documented example does what its document says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from risk_runtime import PreTradeLimit

DOCUMENT = (Path(__file__).parents[3] / "docs" / "pre-trade.md").read_text(encoding="utf-8")


def test_the_example_refuses_what_the_document_says_it_refuses() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    plain = " ".join(DOCUMENT.split())
    assert f"`{first}`" in plain
    assert f"`{second}`" in plain


def test_every_reason_to_refuse_is_documented() -> None:
    _, _, table = DOCUMENT.partition("| `decision.limit` |")
    named = set(re.findall(r"`([a-z_]+)`", "".join(re.findall(r"^\| (`.*?) \|", table, re.M))))
    assert named == set(PreTradeLimit)
