"""Gateways as real processes: start, wait until ready, kill, stop."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from gateway.client import ClientError, OperationsClient


class RunningProcess(Protocol):
    """What is asked of a process that was started; asyncio.subprocess.Process is one."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    def send_signal(self, signal: int, /) -> None: ...

    def terminate(self) -> None: ...

    async def wait(self) -> int: ...


class GatewayProcess:
    """One `gateway serve` in a process of its own, writing its log beside its configuration."""

    def __init__(self, config: Path, *, operations_url: str, operator_token: str) -> None:
        self.config = config
        self.log = config.parent / "gateway.log"
        self._operations_url = operations_url
        self._token = operator_token
        self._process: RunningProcess | None = None

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        """The process id while one is running."""
        return self._process.pid if self._process is not None else None

    def operations(self) -> OperationsClient:
        """Return a client of this gateway's operations API."""
        return OperationsClient(self._operations_url, self._token)

    async def start(
        self,
        *,
        timeout: float = 30.0,  # noqa: ASYNC109 - a deadline over many tries, not one await
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start the process and return when it says it is ready. Raises RuntimeError with the end of its log.

        `environment`: variables to add to those of this process.
        """
        self._process = await self._serve({**os.environ, **(environment or {})})
        try:
            async with asyncio.timeout(timeout):
                while not await self._ready():
                    if not self.running:
                        raise RuntimeError(f"the gateway of {self.config} ended at once:\n{self._log_end()}")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise RuntimeError(f"the gateway of {self.config} is not ready:\n{self._log_end()}") from None

    async def _serve(self, environment: Mapping[str, str]) -> RunningProcess:
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway", "serve", "--config", str(self.config)),
                stdout=log,
                stderr=log,
                env=environment,
            )

    async def _ready(self) -> bool:
        try:
            async with self.operations() as client:
                await client.ready()
        except ClientError:
            return False
        return True

    def _log_end(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:]

    async def ended(self, *, within: float) -> int | None:
        """Wait until the process has ended by itself and return its exit code. Raises TimeoutError after `within`
        seconds."""
        if self._process is None:
            return None
        async with asyncio.timeout(within):
            return await self._process.wait()

    async def kill(self) -> None:
        """End the process at once (SIGKILL), as a power cut of the machine would for the process."""
        if self._process is not None and self.running:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()

    async def stop(self) -> int | None:
        """Ask the process to stop (SIGTERM) and return its exit code; kill it if it takes too long."""
        if self._process is None:
            return None
        if self.running:
            self._process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(30):
                    await self._process.wait()
            await self.kill()
        return self._process.returncode
