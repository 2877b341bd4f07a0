"""The four jobs as workers run them: over a batch, each job its own verdict.

Each step goes over all jobs before the next one begins (steps.py). Documents too large for a processor's caches gain
nothing by that and would all be in memory at once, so a batch of them is taken in parts.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

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
from gateway.exchange.admit import admit_in_steps
from gateway.exchange.check import check, check_asked, check_notice
from gateway.exchange.desk import Desk
from gateway.exchange.prepare import prepare_in_steps
from gateway.exchange.seal import seal
from gateway.exchange.steps import in_step

TOGETHER_BYTES: Final = 1024 * 1024
"""How many bytes of documents or envelopes go through the steps together."""

JobT = TypeVar("JobT")


def run_prepare(jobs: Sequence[PrepareJob], desk: Desk) -> list[PrepareResult]:
    """Return one result per job, in order."""
    parts = _parts(jobs, lambda job: len(job.body))
    with desk.trust.steady():
        return [one for part in parts for one in in_step([prepare_in_steps(job, desk) for job in part])]


def run_seal(jobs: Sequence[SealJob], desk: Desk) -> list[SealResult]:
    """Return one result per job, in order."""
    with desk.trust.steady():
        return [seal(job, desk) for job in jobs]


def run_admit(jobs: Sequence[AdmitJob], desk: Desk) -> list[AdmitResult]:
    """Return one result per job, in order."""
    parts = _parts(jobs, lambda job: len(job.jwe))
    with desk.trust.steady():
        return [one for part in parts for one in in_step([admit_in_steps(job, desk) for job in part])]


def run_check(
    jobs: Sequence[CheckJob | CheckNoticeJob | CheckAskedJob], desk: Desk
) -> list[CheckResult | CheckNoticeResult | CheckAskedResult]:
    """Return one result per job, in order."""
    with desk.trust.steady():
        return [_check(job, desk) for job in jobs]


def _check(
    job: CheckJob | CheckNoticeJob | CheckAskedJob, desk: Desk
) -> CheckResult | CheckNoticeResult | CheckAskedResult:
    match job:
        case CheckNoticeJob():
            return check_notice(job, desk)
        case CheckAskedJob():
            return check_asked(job, desk)
        case CheckJob():
            return check(job, desk)


def _parts(jobs: Sequence[JobT], size: Callable[[JobT], int]) -> Iterator[list[JobT]]:
    """Yield the jobs in order, as many at a time as TOGETHER_BYTES allow, but at least one."""
    part: list[JobT] = []
    together = 0
    for job in jobs:
        if part and together + size(job) > TOGETHER_BYTES:
            yield part
            part, together = [], 0
        part.append(job)
        together += size(job)
    if part:
        yield part
