"""An event loop whose time is virtual: it never waits, and everything happens in an order that a seed decides.

Nothing comes from outside (no socket, no thread, no signal), so the loop's selector only moves the clock to the next
timer. Work that the product gives to threads (`run_in_executor`, `asyncio.to_thread`) is done here in the loop, after a
time that `pace` draws. Every task belongs to whoever made it: `OWNER` goes from task to task, and a node that crashes
takes its own with it.
"""

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from typing import Any

_TURNS_TO_END = 100


class StuckError(RuntimeError):
    """Nothing is left to happen, and somebody still waits."""


class Owner:
    """Whose tasks run: a node in one life, or the world around it. `chance` is drawn from by its work alone."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.dead = False
        self._begun: asyncio.Task[Any] | None = None
        self._tasks: list[asyncio.Task[Any]] = []

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Take note of a task of its own."""
        if len(self._tasks) >= 256:
            self._tasks = [one for one in self._tasks if not one.done()]
        self._tasks.append(task)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work` as its own."""
        context = copy_context()
        context.run(OWNER.set, self)
        return asyncio.get_running_loop().create_task(work, context=context)

    def begin(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run `work` as its own; nobody waits for it."""
        self._begun = self.spawn(work)

    def die(self) -> None:
        """End all its tasks at once. They can not do anything any more: what they would speak to is gone too."""
        self.dead = True
        tasks, self._tasks = self._tasks, []
        self._end(tasks, turns=_TURNS_TO_END)

    def _end(self, tasks: list[asyncio.Task[Any]], *, turns: int) -> None:
        """Cancel what goes on, once more each turn: who cleans up on its way out would wait for what is dead too."""
        going = [task for task in tasks if not task.done()]
        for task in going:
            task.cancel()
        if going and turns:
            asyncio.get_running_loop().call_soon(lambda: self._end(going, turns=turns - 1))


OWNER: ContextVar[Owner] = ContextVar("OWNER")


class _Selector(selectors.SelectSelector):
    """Waits for nothing: where a real one would sleep, the time moves on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise StuckError("nothing is left to happen, and somebody still waits")
        self.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop. `pace` returns how long, in seconds, a piece of threaded work takes."""

    def __init__(self, pace: Callable[[], float]) -> None:
        self._still = _Selector()
        super().__init__(self._still)
        self._pace = pace
        self.set_task_factory(_owned)

    def time(self) -> float:
        """Return virtual seconds since the start."""
        return self._still.now

    def run_in_executor(  # type: ignore[override]  # the very same contract, narrowed to what is called here
        self,
        executor: Any,  # noqa: ARG002  # there are no threads to choose from
        func: Callable[..., Any],
        *args: Any,
    ) -> asyncio.Future[Any]:
        """Do the work of a thread in the loop, after a drawn time."""
        future: asyncio.Future[Any] = self.create_future()

        def work() -> None:
            if future.cancelled():
                return
            try:
                future.set_result(func(*args))
            except Exception as error:  # noqa: BLE001  # as a thread would, it hands on whatever was raised
                future.set_exception(error)

        self.call_later(self._pace(), work)
        return future


def _owned(
    loop: asyncio.AbstractEventLoop,
    work: Generator[Any, None, Any] | Coroutine[Any, Any, Any],
    context: Context | None = None,
) -> asyncio.Task[Any]:
    assert isinstance(work, Coroutine)  # from Python 3.12 on no task is made of a generator
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, context=context)
    owner = context.get(OWNER) if context is not None else OWNER.get(None)
    if owner is not None:
        owner.adopt(task)
    return task
