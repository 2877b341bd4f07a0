"""Work that stops between its steps, so that a batch can take each step over all its jobs before the next.

One step after the other over many messages finds the code, the schema and the tables it needs still in the processor's
caches; a whole job after the other does not (docs/performance-changes.md). A job is written down as it happens, from
top to bottom, with a bare `yield` where the others may catch up; what it returns is its result. Nothing passes between
jobs.
"""

from collections.abc import Generator, Iterable
from typing import TypeVar

ResultT = TypeVar("ResultT")

Steps = Generator[None, None, ResultT]


def alone(work: Steps[ResultT]) -> ResultT:
    """Take one job through all its steps and return its result."""
    return in_step([work])[0]


def in_step(works: Iterable[Steps[ResultT]]) -> list[ResultT]:
    """Take all jobs through their steps together and return their results in order. Jobs may have unlike many steps.

    What a job raises ends all of them: whoever calls knows what to do with the others.
    """
    going = dict(enumerate(works))
    results: dict[int, ResultT] = {}
    while going:
        for number, work in list(going.items()):
            try:
                next(work)
            except StopIteration as end:
                results[number] = end.value
                del going[number]
    return [results[number] for number in sorted(results)]
