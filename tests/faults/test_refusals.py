"""No explanation carries a word of another document, nor of its own unless its submitter asked.

What carries no word at all can not tell one document from another, so most are refused to submitters who asked: each
explanation must then hold its own document's word.
"""

from tests.faults.refusing import canary, refused_in_processes, refused_on_one_schema, silent, strays

DOCUMENTS = 10_000
WORKERS = 8


def test_of_ten_thousand_refused_documents_each_explanation_carries_its_own_word_and_no_other() -> None:
    told = refused_in_processes(DOCUMENTS, WORKERS, values=True)
    assert len(told) == DOCUMENTS
    assert all('"valid": false' in said for _, said in told)
    assert strays(told) == []
    assert silent(told) == []


def test_who_does_not_ask_for_values_is_shown_no_word_at_all() -> None:
    told = refused_in_processes(2_000, 2, values=False)
    assert all('"valid": false' in said for _, said in told)
    assert [own for own, said in told if "canary" in said] == []


def test_threads_that_share_one_schema_object_fail_the_same_check() -> None:
    # Chance decides when two threads meet: of six thousand documents, one or two were told of another.
    seen = any(strays(refused_on_one_schema(6_000, WORKERS)) for _ in range(20))
    assert seen, "no document was told of another's error: the check can not fail"


def test_the_check_sees_a_stray_word() -> None:
    assert strays([(canary(1), f"the value '{canary(2)}'"), (canary(3), canary(3)), (canary(4), "")]) == [canary(1)]


def test_the_check_sees_a_word_that_is_missing() -> None:
    assert silent([(canary(1), canary(2)), (canary(3), canary(3)), (canary(4), "")]) == [canary(1), canary(4)]
