"""Run a node from its settings file until it is told to stop."""

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.app.inspection import check_start
from gateway.app.node import Node
from gateway.app.rulebook import Rulebook, rulebook_of
from gateway.logs import configure_logs
from gateway.ports import Telemetry
from gateway.settings import NodeSettings, load_configuration


def run_node(config: Path) -> None:
    """Serve until SIGTERM or SIGINT. Raises GatewayError when the node must not start; then nothing was started."""
    configuration = load_configuration(config)
    check_start(configuration)
    settings, rulebook = configuration.node, rulebook_of(configuration)
    telemetry = configure_logs(level=settings.log_level, service=settings.name, stream=sys.stdout)
    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        runner.run(_serve(settings, rulebook, telemetry))


async def _serve(settings: NodeSettings, rulebook: Rulebook, telemetry: Telemetry) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    async with Node(settings, rulebook, telemetry) as node:
        for name, listener in node.listeners.items():
            telemetry.line("node.listen", outcome="success", listener=name, url=listener.url)
        ends: set[asyncio.Future[Any]] = {asyncio.ensure_future(stop.wait()), node.failed}
        _, waiting = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for one in waiting:
            one.cancel()
    if not node.failed.cancelled():
        node.failed.result()


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not on this platform; asyncio's own loop does the same, slower
        return None
    return uvloop.new_event_loop
