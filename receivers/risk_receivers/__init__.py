"""The receivers service: takes alerts in, records them, trips the kill switch, tells people."""

import sys

# httpx brings a command of its own along wherever rich and click are installed, and they are: three
# megabytes for as long as the service runs. It does without where that cannot be imported.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
