"""Where CPU-heavy work runs."""

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


class Workers(Protocol):
    """Where CPU-heavy work runs. Results come in the order of the jobs; a refusal is a value, not an exception."""

    async def prepare(self, job: PrepareJob) -> PrepareResult: ...

    async def seal(self, job: SealJob) -> SealResult: ...

    async def admit(self, job: AdmitJob) -> AdmitResult: ...

    async def check(self, job: CheckJob) -> CheckResult: ...

    async def check_notice(self, job: CheckNoticeJob) -> CheckNoticeResult: ...

    async def check_asked(self, job: CheckAskedJob) -> CheckAskedResult: ...
