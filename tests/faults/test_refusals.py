"""No explanation carries a word of another document, nor of its own unless its submitter asked."""

from tests.faults.refusing import canary, refused_in_processes, refused_on_one_schema, strays

DOCUMENTS = 10_000
WORKERS = 8


def test_of_ten_thousand_refused_documents_no_explanation_carries_a_word() -> None:
    told = refused_in_processes(DOCUMENTS, WORKERS, values=False)
    assert len(told) == DOCUMENTS
    assert all('"valid": false' in said for _, said in told)
    assert strays(told) == []
    assert [own for own, said in told if "canary" in said] == []


def test_who_asks_for_values_is_shown_its_own_and_nobody_elses() -> None:
    told = refused_in_processes(2_000, 2, values=True)
    assert strays(told) == []
    assert all(own in said for own, said in told)


def test_threads_that_share_one_schema_object_fail_the_same_check() -> None:
    # Chance decides when two threads meet; six thousand documents met 1,500 times where it was measured.
    seen = any(strays(refused_on_one_schema(6_000, WORKERS)) for _ in range(20))
    assert seen, "no document was told of another's error: the check can not fail"


def test_the_check_sees_a_stray_word() -> None:
    assert strays([(canary(1), f"the value '{canary(2)}'"), (canary(3), canary(3)), (canary(4), "")]) == [canary(1)]
