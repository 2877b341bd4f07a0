"""The four jobs as a pool sees them: a stage each, a batch function each, and a verdict when one can not be done.

The batch functions live in `gateway.exchange.batches`; `app` hands them over as a JobTable, so that the pool knows how
to run work and nothing of what it is. They must be importable by name, since a worker gets them pickled.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar, assert_never

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
    RefusedSubmission,
    SealJob,
    SealResult,
    Unopened,
)
from gateway.errors import GatewayError

DeskT = TypeVar("DeskT")

Job = PrepareJob | SealJob | AdmitJob | CheckJob | CheckNoticeJob | CheckAskedJob
Result = PrepareResult | SealResult | AdmitResult | CheckResult | CheckNoticeResult | CheckAskedResult


class Stage(Enum):
    """A kind of job; a batch holds jobs of one. Notices are checked as receipts are, but nobody waits for them."""

    CHECK = "check"
    SEAL = "seal"
    ADMIT = "admit"
    PREPARE = "prepare"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTable(Generic[DeskT]):
    """The batch functions: each takes jobs and the worker's desk, and gives one result per job, in order."""

    prepare: Callable[[Sequence[PrepareJob], DeskT], list[PrepareResult]]
    seal: Callable[[Sequence[SealJob], DeskT], list[SealResult]]
    admit: Callable[[Sequence[AdmitJob], DeskT], list[AdmitResult]]
    check: Callable[
        [Sequence[CheckJob | CheckNoticeJob | CheckAskedJob], DeskT],
        list[CheckResult | CheckNoticeResult | CheckAskedResult],
    ]

    def function(self, stage: Stage) -> Callable[[Sequence[Any], DeskT], list[Any]]:
        """Return the batch function of a stage. The queue sees to it that its jobs are of that stage."""
        match stage:
            case Stage.PREPARE:
                return self.prepare
            case Stage.SEAL:
                return self.seal
            case Stage.ADMIT:
                return self.admit
            case Stage.CHECK | Stage.NOTICE:
                return self.check
            case _:
                assert_never(stage)


def verdict(job: Job, error: GatewayError) -> Result:
    """Return the result that says: this job could not be done, and this is why."""
    match job:
        case PrepareJob():
            return RefusedSubmission(problems={None: error})
        case SealJob() | CheckJob() | CheckNoticeJob() | CheckAskedJob():
            return error
        case AdmitJob():
            return Unopened(envelope_sha256=job.envelope_sha256, error=error, problem=None, token=None)
        case _:
            assert_never(job)


def size_bytes(job: Job) -> int:
    """Return about how much memory the job holds: its payload."""
    match job:
        case PrepareJob():
            return len(job.body)
        case SealJob():
            return len(job.sealed_jws)
        case AdmitJob():
            return len(job.jwe)
        case CheckJob() | CheckNoticeJob() | CheckAskedJob():
            return len(job.token)
        case _:
            assert_never(job)
