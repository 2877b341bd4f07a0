"""`python -m tests.unit.document.watched`: judges hostile documents in a process of its own that watches itself.

An audit hook (PEP 578) notes whatever opens a file or a socket or asks the system for something while a document is
judged, by door and set, as `gateway schema validate` does. One line of JSON for each: name, the first code, the
code of the door for a message, seconds of CPU (the best of a few runs, so that a busy machine does not count), events. Without arguments the documents are those of
hostile.py, else the files named. The last line is a control: a file that is opened while all is watched.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.document import read
from gateway.errors import DocumentError
from gateway.schema.explanation import explain
from tests.unit.document.hostile import KINDS
from tests.unit.document.messages import LIMITS, SAMPLES
from tests.unit.schema.sets import bundled

RUNS = 3
CONTROL = "control: a file is opened"
_WATCHED = ("open", "os.", "socket.", "subprocess.", "ctypes.", "import", "mmap.", "urllib.", "http.", "ftplib.")


def main() -> None:
    """Judge, watch, print."""
    compiled = bundled("dms-declaration")
    assert compiled.tree  # what an explanation needs is read before anything is watched
    explain("warm", b"<a/>", compiled, LIMITS)
    explain("warm", next(SAMPLES.glob("invalid/*.xml")).read_bytes(), compiled, LIMITS)
    events: list[str] = []
    watching = False

    def note(event: str, _arguments: tuple[Any, ...]) -> None:
        if watching and event.startswith(_WATCHED):
            events.append(event)

    sys.addaudithook(note)
    for name, raw in _documents():
        events.clear()
        watching = True
        seconds, code = [], ""
        for _ in range(RUNS):
            started = time.process_time()
            found = explain(name, raw, compiled, LIMITS)
            seconds.append(time.process_time() - started)
            code = "" if found.valid else found.violations[0].code
        door = _door(raw)
        watching = False
        told = {"name": name, "code": code, "door": door, "seconds": min(seconds), "events": sorted(set(events))}
        print(json.dumps(told))
    watching = True
    Path(__file__).read_bytes()
    watching = False
    print(json.dumps({"name": CONTROL, "code": "", "seconds": 0, "events": sorted(set(events))}))


def _door(raw: bytes) -> str:
    """Return the code with which the door refuses it as a message; empty if it does not."""
    try:
        read(raw, LIMITS)
    except DocumentError as error:
        return error.code
    return ""


def _documents() -> Iterator[tuple[str, bytes]]:
    for path in sys.argv[1:]:
        yield path, Path(path).read_bytes()
    if not sys.argv[1:]:
        for name, (make, _) in KINDS.items():
            yield name, make()


if __name__ == "__main__":
    main()
