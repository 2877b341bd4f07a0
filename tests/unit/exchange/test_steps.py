"""Jobs of a batch go through their steps together, and each ends as it would alone."""

from dataclasses import replace

import pytest

from gateway.domain.jobs import AdmitJob, Admitted, PreparedSubmission, PrepareJob, RefusedSubmission, Unopened
from gateway.exchange.batches import TOGETHER_BYTES, run_admit, run_prepare
from gateway.exchange.steps import Steps, alone, in_step
from tests.unit.exchange.desks import FR, GB, NOW, STATEMENT, desks, envelope, prepare_job, prepared, sample


def telling(told: list[str], name: str, steps: int) -> Steps[str]:
    for number in range(steps):
        told.append(f"{name}{number}")
        yield
    return name


def test_a_step_goes_over_all_jobs_before_the_next_one_begins() -> None:
    told: list[str] = []
    results = in_step([telling(told, "a", 3), telling(told, "b", 1), telling(told, "c", 2)])
    assert results == ["a", "b", "c"]
    assert told == ["a0", "b0", "c0", "a1", "c1", "a2"]


def test_one_job_alone_goes_through_the_same_steps() -> None:
    told: list[str] = []
    assert alone(telling(told, "a", 2)) == "a"
    assert told == ["a0", "a1"]


def test_no_jobs_give_no_results() -> None:
    assert in_step([]) == []


def refused_codes(result: object) -> list[str]:
    assert isinstance(result, RefusedSubmission)
    return [error.code for error in result.problems.values()]


def test_a_refused_document_among_good_ones_is_its_own_refusal_only() -> None:
    good, bad = prepare_job(sample("import-two-items.xml")), prepare_job(b"<a")
    broken = prepare_job(sample("import-two-items.xml").replace(b"GoodsItemQuantity", b"Quantity"))
    first, second, third, fourth = run_prepare([good, bad, broken, good], desks()[GB])
    assert isinstance(first, PreparedSubmission)
    assert refused_codes(second) == ["document.not_well_formed"]
    assert refused_codes(third) == ["schema.invalid"]
    assert isinstance(fourth, PreparedSubmission)
    assert first.transfers[0].digest == fourth.transfers[0].digest


def test_an_envelope_that_can_not_be_opened_is_its_own_verdict_only() -> None:
    jwe = envelope(prepared()).jwe
    good = AdmitJob(jwe=jwe, channel_party=GB, statement_id=STATEMENT, now=NOW)
    first, second, third = run_admit([good, replace(good, jwe=jwe[:-4] + "AAAA"), good], desks()[FR])
    assert isinstance(first, Admitted)
    assert isinstance(second, Unopened)
    assert isinstance(third, Admitted)


@pytest.mark.parametrize("share", [0.6, 2.0])
def test_documents_too_large_to_go_together_are_all_prepared_in_order(share: float) -> None:
    body = sample("import-two-items.xml")
    large = body.replace(b"</", b"<!--" + b" " * int(TOGETHER_BYTES * share) + b"--></", 1)
    jobs = [prepare_job(one) for one in (body, large, body, large)]
    results = run_prepare(jobs, desks()[GB])
    assert [job_size(one) for one in results] == [len(job.body) for job in jobs]


def job_size(result: object) -> int:
    assert isinstance(result, PreparedSubmission), result
    return result.size_bytes


def test_jobs_alone_and_in_a_batch_end_alike() -> None:
    jobs: list[PrepareJob] = [prepare_job(sample(name)) for name in ("import-two-items.xml", "cancellation.xml")]
    together = run_prepare(jobs, desks()[GB])
    apart = [run_prepare([job], desks()[GB])[0] for job in jobs]
    for one, other in zip(together, apart, strict=True):
        assert isinstance(one, PreparedSubmission)
        assert isinstance(other, PreparedSubmission)
        assert [each.digest for each in one.transfers] == [each.digest for each in other.transfers]
