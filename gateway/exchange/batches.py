"""The four jobs as workers run them: over a batch, each job its own verdict."""

from collections.abc import Sequence

from gateway.domain.jobs import (
    AdmitJob,
    AdmitResult,
    CheckJob,
    CheckNoticeJob,
    CheckNoticeResult,
    CheckResult,
    PrepareJob,
    PrepareResult,
    SealJob,
    SealResult,
)
from gateway.exchange.admit import admit
from gateway.exchange.check import check, check_notice
from gateway.exchange.desk import Desk
from gateway.exchange.prepare import prepare
from gateway.exchange.seal import seal


def run_prepare(jobs: Sequence[PrepareJob], desk: Desk) -> list[PrepareResult]:
    """Return one result per job, in order."""
    return [prepare(job, desk) for job in jobs]


def run_seal(jobs: Sequence[SealJob], desk: Desk) -> list[SealResult]:
    """Return one result per job, in order."""
    return [seal(job, desk) for job in jobs]


def run_admit(jobs: Sequence[AdmitJob], desk: Desk) -> list[AdmitResult]:
    """Return one result per job, in order."""
    return [admit(job, desk) for job in jobs]


def run_check(jobs: Sequence[CheckJob | CheckNoticeJob], desk: Desk) -> list[CheckResult | CheckNoticeResult]:
    """Return one result per job, in order."""
    return [check_notice(job, desk) if isinstance(job, CheckNoticeJob) else check(job, desk) for job in jobs]
