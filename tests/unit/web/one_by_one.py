"""Scripted workers do jobs that come together one after the other."""

from collections.abc import Sequence

from gateway.domain.jobs import (
    AdmitJob,
    AdmitResult,
    CheckJob,
    CheckResult,
    PrepareJob,
    PrepareResult,
    SealJob,
    SealResult,
)
from gateway.errors import GatewayError


class OneByOne:
    """The jobs of `ports.Workers` that come together, over those that come alone."""

    async def prepare(self, job: PrepareJob) -> PrepareResult:
        raise NotImplementedError

    async def admit(self, job: AdmitJob) -> AdmitResult:
        raise NotImplementedError

    async def check(self, job: CheckJob) -> CheckResult:
        raise NotImplementedError

    async def prepare_all(self, jobs: Sequence[PrepareJob]) -> list[PrepareResult | GatewayError]:
        return [await self.prepare(job) for job in jobs]

    async def admit_all(self, jobs: Sequence[AdmitJob]) -> list[AdmitResult | GatewayError]:
        return [await self.admit(job) for job in jobs]

    async def check_all(self, jobs: Sequence[CheckJob]) -> list[CheckResult]:
        return [await self.check(job) for job in jobs]

    async def seal(self, _job: SealJob) -> SealResult:
        raise AssertionError("nothing is sent in these tests")

    async def seal_all(self, _jobs: Sequence[SealJob]) -> list[SealResult]:
        raise AssertionError("nothing is sent in these tests")
