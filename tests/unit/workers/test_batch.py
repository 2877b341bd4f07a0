"""A job that goes wrong costs its neighbours nothing, and its error quotes nothing."""

from collections.abc import Sequence

import pytest

from gateway.domain.jobs import (
    CheckAskedJob,
    CheckJob,
    CheckNoticeJob,
    RefusedSubmission,
    SealedEnvelope,
    SealJob,
    SealResult,
    Unopened,
)
from gateway.errors import EnvelopeError, GatewayError
from gateway.workers.batch import run_batch
from gateway.workers.table import Job, JobTable, Stage, verdict
from tests.unit.workers.scripted_work import (
    admit_job,
    check_asked_job,
    check_job,
    check_notice_job,
    prepare_job,
    run_admit,
    run_check,
    run_prepare,
    seal_job,
)

CANARY = "CANARY-4711"


class Desk:
    def __init__(self) -> None:
        self.calls: list[int] = []


def seal(jobs: Sequence[SealJob], desk: Desk) -> list[SealResult]:
    desk.calls.append(len(jobs))
    for job in jobs:
        if job.sealed_jws == b"raise":
            raise ValueError(CANARY)
        if job.sealed_jws == b"refuse":
            raise EnvelopeError("envelope.malformed", "scripted")
    results: list[SealResult] = [SealedEnvelope(jwe=job.sealed_jws.decode()) for job in jobs]
    return results[1:] if any(job.sealed_jws == b"drop" for job in jobs) else results


def outcome(*payloads: str) -> tuple[list[str], Desk]:
    desk = Desk()
    table: JobTable[Desk] = JobTable(prepare=run_prepare, seal=seal, admit=run_admit, check=run_check)  # type: ignore[arg-type]  # only seal is called
    results = run_batch(Stage.SEAL, [seal_job(one) for one in payloads], table, desk)
    return [
        one.code if isinstance(one, GatewayError) else one.jwe
        for one in results
        if isinstance(one, GatewayError | SealedEnvelope)
    ], desk


def test_a_good_batch_runs_at_once() -> None:
    results, desk = outcome("a", "b", "c")
    assert results == ["a", "b", "c"]
    assert desk.calls == [3]


def test_an_exception_is_the_verdict_of_its_own_job_only() -> None:
    results, desk = outcome("a", "raise", "refuse", "b")
    assert results == ["a", "internal", "envelope.malformed", "b"]
    assert desk.calls == [4, 1, 1, 1, 1]


def test_a_function_that_loses_results_is_not_believed() -> None:
    assert outcome("a", "drop", "b")[0] == ["a", "internal", "b"]


def test_an_unexpected_exception_is_told_by_type_and_place_and_never_by_its_text() -> None:
    desk = Desk()
    table: JobTable[Desk] = JobTable(prepare=run_prepare, seal=seal, admit=run_admit, check=run_check)  # type: ignore[arg-type]
    (error,) = run_batch(Stage.SEAL, [seal_job("raise")], table, desk)
    assert isinstance(error, GatewayError)
    assert "ValueError" in error.detail
    assert "test_batch.py" in error.detail
    assert CANARY not in str(error)
    assert error.public_code == "internal"


@pytest.mark.parametrize(
    "job",
    [prepare_job("a"), seal_job("a"), check_job("a"), check_notice_job("a"), check_asked_job("a"), admit_job("a")],
)
def test_every_kind_of_job_can_be_answered_with_an_error(job: Job) -> None:
    error = GatewayError("transfer.poisoned")
    match verdict(job, error):
        case RefusedSubmission(problems=problems):
            assert problems == {None: error}
        case Unopened() as unopened:
            assert unopened.error is error
            assert unopened.token is None
            assert unopened.envelope_sha256 == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
        case GatewayError() as told:
            assert told is error
            assert isinstance(job, SealJob | CheckJob | CheckNoticeJob | CheckAskedJob)
        case other:
            pytest.fail(f"{other} says nothing of the error")
