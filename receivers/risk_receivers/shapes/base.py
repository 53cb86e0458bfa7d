"""What the types of answers are made of."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import ConfigDict, Field, with_config

#: RFC 3339, in UTC unless it says otherwise.
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
#: Free-form: labels and annotations as Prometheus has them.
Texts = dict[str, str]
#: Nothing else is in it.
WHOLE: Final = with_config(ConfigDict(extra="forbid"))
