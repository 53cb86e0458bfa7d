"""What ``python -c CODE ARGUMENTS`` runs, for a process that is no new interpreter."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    code = sys.argv.pop(1)
    sys.argv[0] = "-c"
    exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - of the tests
