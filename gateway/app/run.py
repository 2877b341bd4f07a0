"""Run a node from its settings file until it is told to stop."""

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.app.inspection import check_start, tell_warnings
from gateway.app.memory import set_aside
from gateway.app.node import Node
from gateway.app.rulebook import Rulebook, rulebook_of
from gateway.errors import GatewayError
from gateway.logs import configure_logs
from gateway.ports import Telemetry
from gateway.settings import NodeSettings, load_configuration


def run_node(config: Path, *, restored: str = "") -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP reloads the rules. `restored`: why an older database was put in place.

    Raises GatewayError when the node must not start; then nothing was started.
    """
    configuration = load_configuration(config)
    check_start(configuration)
    settings, rulebook = configuration.node, rulebook_of(configuration)
    telemetry = configure_logs(level=settings.log_level, service=settings.name, stream=sys.stdout)
    tell_warnings(configuration, telemetry)
    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        runner.run(_serve(settings, rulebook, telemetry, restored))


async def _serve(settings: NodeSettings, rulebook: Rulebook, telemetry: Telemetry, restored: str) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    hang_up = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, hang_up.set)
    async with Node(settings, rulebook, telemetry, restored=restored) as node:
        for name, listener in node.listeners.items():
            telemetry.line("node.listen", outcome="success", listener=name, url=listener.url)
        set_aside()
        reloading = loop.create_task(_reload_when_told(node, hang_up, telemetry))
        ends: set[asyncio.Future[Any]] = {asyncio.ensure_future(stop.wait()), node.failed, reloading}
        _, waiting = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for one in waiting:
            one.cancel()
    for one in (node.failed, reloading):
        if one.done() and not one.cancelled():
            one.result()


async def _reload_when_told(node: Node, hang_up: asyncio.Event, telemetry: Telemetry) -> None:
    """Reload the rules at every SIGHUP. What is wrong with them stands in the log: nobody waits for an answer."""
    while True:
        await hang_up.wait()
        hang_up.clear()
        try:
            told = await node.reload(actor="system")
        except GatewayError as error:
            telemetry.line("node.reload", outcome="failure", code=error.code, detail=error.detail)
        else:
            telemetry.line("node.reload", outcome="success", generation=told.generation, rules_sha256=told.rules_sha256)


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not on this platform; asyncio's own loop does the same, slower
        return None
    return uvloop.new_event_loop
