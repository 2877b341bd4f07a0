"""Where CPU-heavy work runs."""

from collections.abc import Sequence
from typing import Protocol

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


class Workers(Protocol):
    """Where CPU-heavy work runs. Results come in the order of the jobs; a refusal is a value, not an exception.

    A job that could not be done now raises `capacity.exhausted`; of jobs that are given together it is that one's
    result, and the others get theirs. They are told together, and share a worker where they can.
    """

    async def prepare(self, job: PrepareJob) -> PrepareResult: ...

    async def prepare_all(self, jobs: Sequence[PrepareJob]) -> list[PrepareResult | GatewayError]: ...

    async def seal(self, job: SealJob) -> SealResult: ...

    async def seal_all(self, jobs: Sequence[SealJob]) -> list[SealResult]: ...

    async def admit(self, job: AdmitJob) -> AdmitResult: ...

    async def admit_all(self, jobs: Sequence[AdmitJob]) -> list[AdmitResult | GatewayError]: ...

    async def check(self, job: CheckJob) -> CheckResult: ...

    async def check_all(self, jobs: Sequence[CheckJob]) -> list[CheckResult]: ...

    async def check_notices(self, jobs: Sequence[CheckNoticeJob]) -> list[CheckNoticeResult]: ...

    async def check_asked(self, job: CheckAskedJob) -> CheckAskedResult: ...
