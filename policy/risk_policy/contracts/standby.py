"""What a service that stands by says of itself, where it cannot hand a request on.

Its answer is nobody's decision: whoever asked may ask another one, and a kill has to.
"""

from __future__ import annotations

from typing import Final

#: The header of such an answer.
STANDBY: Final = "x-riskwarden-standby"
#: Nobody was asked: nobody leads.
STANDBY_ALONE: Final = "alone"
#: The one that leads was asked and did not answer; it may have done what was asked, or not.
STANDBY_ASKED: Final = "asked"
