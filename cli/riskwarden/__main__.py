"""Entry point. Says what to install when only the part for embedding is there."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command line."""
    missing = [name for name in ("typer", "rich", "httpx", "yaml") if find_spec(name) is None]
    if missing:
        sys.exit(
            "riskwarden: the command line needs more than the part that runtimes embed; "
            "install it with: pip install 'riskwarden[stack]'"
        )
    try:
        from riskwarden.app import application

        application(sys.argv[1:])()
    except KeyboardInterrupt:  # before the command had begun, which answers it itself
        sys.exit(130)


if __name__ == "__main__":
    main()
