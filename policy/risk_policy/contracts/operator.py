"""What an operator says with an order, as the receivers take it and the commands send it."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import StringConstraints

#: Characters; longer ones would push everything else out of a message.
LONGEST_REASON: Final = 500
LONGEST_NAME: Final = 100

#: Why; it goes on record.
Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_REASON)
]
#: Who.
OperatorName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_NAME)
]
