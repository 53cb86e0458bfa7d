"""What is said about one thing that is served."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path and a method, described.

    Attributes:
        summary: what it is for, in a few words.
        answer: the type of what a 200 holds as JSON, or the content types of one that is none.
        query: what can be asked in the query string.
        body: what has to be sent; a schema of its own for what is taken however it looks.
        refusals: what it answers besides that is about what was asked: 404, 409.
        also: further answers without a body, such as 304.
    """

    summary: str
    answer: Any
    query: type[BaseModel] | None = None
    body: type[BaseModel] | dict[str, Any] | None = None
    refusals: tuple[int, ...] = ()
    also: tuple[int, ...] = ()
