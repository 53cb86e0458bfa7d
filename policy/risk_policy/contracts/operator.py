"""What an operator says and shows, as the receivers take it and the commands send it."""

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

#: A token of somebody, anywhere: ``rw_<id>_<secret>``.
GIVEN_TOKEN: Final = r"rw_[0-9a-f]{12}_[0-9a-f]{64}"  # noqa: S105 - its form
