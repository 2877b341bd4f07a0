"""What is asked of workers, in the words of `ports.Workers`, over the queue that workers take their batches from.

Jobs that are asked together are told together, when the last of them has come to something. One that could not be done
now is a value among the results, so that it costs its neighbours nothing; of a job that is asked alone it is raised.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from gateway.domain.jobs import (
    AdmitJob,
    AdmitResult,
    CheckAskedJob,
    CheckAskedResult,
    CheckJob,
    CheckNoticeJob,
    CheckNoticeResult,
    CheckResult,
    PrepareJob,
    PrepareResult,
    SealJob,
    SealResult,
)
from gateway.errors import GatewayError
from gateway.workers.queue import NotDoneError, StageQueue
from gateway.workers.table import Job, Stage


class Asking(ABC):
    """Implements the asking of `ports.Workers`; whoever runs the workers says which queue."""

    @property
    @abstractmethod
    def queue(self) -> StageQueue:
        """Where jobs wait for a worker."""

    async def prepare(self, job: PrepareJob) -> PrepareResult:
        """Prepare one submission. Raises `capacity.exhausted`."""
        result: PrepareResult = await self._alone(Stage.PREPARE, job)
        return result

    async def prepare_all(self, jobs: Sequence[PrepareJob]) -> list[PrepareResult | GatewayError]:
        """Prepare submissions."""
        return await self.queue.ask(Stage.PREPARE, jobs)

    async def seal(self, job: SealJob) -> SealResult:
        """Encrypt one stored message. Raises `capacity.exhausted`."""
        result: SealResult = await self._alone(Stage.SEAL, job)
        return result

    async def seal_all(self, jobs: Sequence[SealJob]) -> list[SealResult]:
        """Encrypt stored messages."""
        return await self.queue.ask(Stage.SEAL, jobs)

    async def admit(self, job: AdmitJob) -> AdmitResult:
        """Judge one envelope. Raises `capacity.exhausted`."""
        result: AdmitResult = await self._alone(Stage.ADMIT, job)
        return result

    async def admit_all(self, jobs: Sequence[AdmitJob]) -> list[AdmitResult | GatewayError]:
        """Judge envelopes."""
        return await self.queue.ask(Stage.ADMIT, jobs)

    async def check(self, job: CheckJob) -> CheckResult:
        """Check one statement. Raises `capacity.exhausted`."""
        result: CheckResult = await self._alone(Stage.CHECK, job)
        return result

    async def check_all(self, jobs: Sequence[CheckJob]) -> list[CheckResult]:
        """Check statements."""
        return await self.queue.ask(Stage.CHECK, jobs)

    async def check_notices(self, jobs: Sequence[CheckNoticeJob]) -> list[CheckNoticeResult]:
        """Check notices."""
        return await self.queue.ask(Stage.NOTICE, jobs)

    async def check_asked(self, job: CheckAskedJob) -> CheckAskedResult:
        """Check what a partner answered. Raises `capacity.exhausted`."""
        result: CheckAskedResult = await self._alone(Stage.CHECK, job)
        return result

    async def _alone(self, stage: Stage, job: Job) -> Any:
        (result,) = await self.queue.ask(stage, [job])
        if isinstance(result, NotDoneError):
            raise result
        return result
