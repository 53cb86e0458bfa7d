"""What a process of our own that needs no secret may know of its surroundings."""

from __future__ import annotations

import os
from typing import Final

_PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "LD_LIBRARY_PATH")


def without_secrets() -> dict[str, str]:
    """The environment that it is started with."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
