"""The process in which a user's templates are rendered: ``python -m … FOLDER``.

Reads requests and writes answers, a line of JSON each, on the socket that is its standard
input; the first line says that it is ready. It ends with its parent, and by itself when a
template takes too much.
"""

from __future__ import annotations

import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Final

import msgspec

from risk_receivers.templating.engine import Engine
from risk_receivers.templating.errors import BrokenTemplateError
from risk_receivers.templating.parts import part_of
from risk_receivers.templating.workshop import RENDER_SECONDS, Answer, Request

#: Python with Jinja2 takes a tenth of it.
_MEMORY_BYTES: Final = 512 * 1024 * 1024
#: The parent gives up before; this is for when there is none any more.
_ALARM_SECONDS: Final = RENDER_SECONDS * 2


def main() -> None:
    """Answer until nobody asks any more."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    engine = Engine(Path(sys.argv[1]))
    with socket.socket(fileno=0) as line, line.makefile("rwb") as stream:
        stream.write(b"{}\n")
        stream.flush()
        for request in stream:
            signal.setitimer(signal.ITIMER_REAL, _ALARM_SECONDS)  # its default is to end us
            answer = _answer(engine, msgspec.json.decode(request, type=Request))
            signal.setitimer(signal.ITIMER_REAL, 0)
            stream.write(msgspec.json.encode(answer) + b"\n")
            stream.flush()


def _answer(engine: Engine, request: Request) -> Answer:
    part = part_of(request.file)
    if part is None:
        return Answer(file=request.file, problem="is no template of any channel")
    try:
        return Answer(text=engine.render(request.file, part, request.words))
    except BrokenTemplateError as error:
        return Answer(file=error.file, line=error.line, problem=error.problem)


if __name__ == "__main__":
    main()
