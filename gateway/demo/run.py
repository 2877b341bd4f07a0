"""The demo: two gateways on this machine exchange every sample document, and every claim it prints is checked.

Two administrations (their ids are labels only), each a process with its own folder, database, keys and ports, and a
stand-in back end each. What happens is in `story`, what is claimed in `checks`, what is printed in `show`.
"""

import asyncio
import json
import signal
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from gateway.client import ClientError
from gateway.demo.beside import SHOWN, Line, explain_beside
from gateway.demo.checks import judge
from gateway.demo.collect import collect
from gateway.demo.documents import Programme, load_programme
from gateway.demo.history import History
from gateway.demo.progress import Silent, Teller, telling
from gateway.demo.report import report
from gateway.demo.show import show_answers, show_audit, show_beside, show_checks, show_consoles, show_transfers
from gateway.demo.show_views import show_over_shared, show_views
from gateway.demo.stage import FR, GB, Stage, raise_stage
from gateway.demo.story import WHOLE, play
from gateway.demo.verdicts import Check
from gateway.demo.views import FiveViews, five_differ, five_views
from gateway.demo.watch import Watch


async def run_demo(*, folder: Path | None, keep: bool, console: Console, as_json: bool = False) -> int:
    """Run the demo in `folder` (a temporary one if None) and return the exit code: 0 only if every check holds.

    `keep`: leave both gateways running until Ctrl-C, so that their consoles can be looked at. `as_json`: print one JSON
    object and nothing else. Raises GatewayError when `folder` can not be used.
    """
    _end_at_sigterm()
    programme = load_programme()
    async with AsyncExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-demo-")))
        with nullcontext(Silent()) if as_json else telling(console, total=len(programme.documents)) as teller:
            try:
                stage, history = await _exchange(folder, stack, programme, teller, keep=keep)
            except (ClientError, RuntimeError, ExceptionGroup) as error:
                return _broke_off(console, error, as_json=as_json)
        views = five_views(programme.named(WHOLE))
        checks = (*judge(history), five_differ(views))
        beside = _beside(stage, history)
        if as_json:
            console.file.write(json.dumps(report(history, checks, beside, views, stage, keep=keep)) + "\n")
            console.file.flush()
        else:
            _show(console, history, checks, beside, views)
        if keep:
            await _keep(console, stage, as_json=as_json)
        return 0 if all(check.holds for check in checks) else 1


async def _exchange(
    folder: Path, stack: AsyncExitStack, programme: Programme, teller: Teller, *, keep: bool
) -> tuple[Stage, History]:
    """Start both gateways, run the traffic, and take down how everything stands."""
    teller.say(f"Laying out {GB} and {FR}, and starting both gateways.")
    stage = await raise_stage(folder, stack)
    watch = Watch(stage, teller.see)
    looking = asyncio.create_task(watch.look_for_ever())
    try:
        played = await play(stage, programme, watch, teller.say)
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
    teller.say("Reading receipts, notices and audit trails." + ("" if keep else " Both gateways stop."))
    return stage, await collect(stage, programme, played, stop=not keep)


def _beside(stage: Stage, history: History) -> tuple[Line, ...]:
    """Return the side-by-side; nothing if its document did not arrive, which a check tells."""
    one = history.of(SHOWN)
    got = history.arrived(one) if one else None
    if one is None or got is None:
        return ()
    return explain_beside(one.document, got.document, stage.world.nodes[GB].config, now=datetime.now(UTC))


def _show(
    console: Console, history: History, checks: Sequence[Check], beside: Sequence[Line], views: FiveViews
) -> None:
    console.print()
    show_transfers(console, history)
    show_views(console, views)
    show_over_shared(console, history)
    show_beside(console, SHOWN, beside)
    show_answers(console, history)
    show_audit(console, history)
    show_checks(console, checks)


def _broke_off(console: Console, error: Exception, *, as_json: bool) -> int:
    """Tell that the demo could not be run to its end, which is a failure of its own."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    told = f"{type(error).__name__}: {error}"
    if as_json:
        check = {"name": "run to the end", "holds": False, "expected": "no interruption", "seen": told}
        console.file.write(json.dumps({"passed": False, "checks": [check]}) + "\n")
    else:
        console.print(Text(f"FAIL  run to the end: {told}"), soft_wrap=True)
    return 1


def _end_at_sigterm() -> None:
    """As with Ctrl-C: both gateways must not outlive the demo."""
    ours = asyncio.current_task()
    if ours is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ours.cancel)


async def _keep(console: Console, stage: Stage, *, as_json: bool) -> None:
    """Wait for Ctrl-C. What the checks came to still is the exit code."""
    if not as_json:
        show_consoles(console, stage)
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
