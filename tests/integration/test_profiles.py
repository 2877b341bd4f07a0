"""Documents against the profile of their agreement, from the submission to the stored answer."""

from pathlib import Path

import pytest

from gateway.audit import AuditEvent
from gateway.bundled import schema_folder
from gateway.domain.ids import PartyId
from gateway.errors import SchemaError
from gateway.exchange.submit import RecipientsRefusedError
from tests.integration.desk_pair import FR, Pair, request

RULES = schema_folder() / "rules" / "dms-declaration"


def bad(rule: str) -> bytes:
    return Path(RULES / f"{rule}.bad.xml").read_bytes()


async def test_a_document_that_breaks_a_rule_is_refused_with_place_rule_and_mend(pair: Pair) -> None:
    with pytest.raises(RecipientsRefusedError) as refused:
        await pair.gb.submit(request(bad("items-counted")))
    assert set(refused.value.problems) == {FR}
    error = refused.value.problems[FR]
    assert isinstance(error, SchemaError)
    assert error.code == "schema.profile_broken"
    (violation,) = error.violations
    assert (violation.rule, violation.path, violation.wco_id) == (
        "items-counted",
        "/MetaData/Declaration/GoodsItemQuantity",
        "228",
    )
    assert violation.expected
    assert violation.fix
    assert await pair.gb.store.transfers(limit=10) == []
    (record,) = await pair.gb.store.audit()
    assert record.entry.event is AuditEvent.SUBMISSION_REFUSED
    assert record.entry.facts["code"] == "schema.profile_broken"


async def test_a_warning_lets_the_document_go_and_is_told_again_under_the_same_key(pair: Pair) -> None:
    first, replayed = await pair.gb.submit(request(bad("packages-counted")))
    assert not replayed
    (violation,) = first.warnings[FR]
    assert (violation.rule, violation.path) == ("packages-counted", "/MetaData/Declaration/TotalPackageQuantity")
    again, replayed = await pair.gb.submit(request(bad("packages-counted")))
    assert replayed
    assert again.warnings == first.warnings
    detail = await pair.gb.store.transfer(first.transfers[0].id)
    assert detail is not None
    assert detail.warnings == first.warnings[FR]
    accepted = next(one.entry for one in await pair.gb.store.audit())
    assert accepted.event is AuditEvent.SUBMISSION_ACCEPTED
    assert accepted.facts["warnings"] == 1


async def test_a_document_in_order_has_no_warning(pair: Pair) -> None:
    row, _ = await pair.gb.submit(request())
    assert row.warnings == {}


async def test_nothing_a_rule_says_holds_a_value_of_the_document(pair: Pair) -> None:
    canary = "CANARY-77123"
    for name in ("items-counted", "dates-real", "envelope-names-the-body", "packages-counted"):
        raw = bad(name).replace(b"SAMPLE-RULE-1", canary.encode()).replace(b">RES<", f">{canary}<".encode())
        try:
            row, _ = await pair.gb.submit(request(raw, key=name))
            told = repr(row.warnings)
        except RecipientsRefusedError as refused:
            told = repr(
                [(error.detail, error.facts, getattr(error, "violations", ())) for error in refused.problems.values()]
            )
        assert "schema.profile_broken" in told
        assert canary not in told


async def test_another_recipient_without_an_agreement_is_told_beside_the_broken_rule(pair: Pair) -> None:
    with pytest.raises(RecipientsRefusedError) as refused:
        await pair.gb.submit(request(bad("items-counted"), to=(FR, PartyId("NL-DOUANE"))))
    assert {party: error.code for party, error in refused.value.problems.items()} == {
        FR: "schema.profile_broken",
        "NL-DOUANE": "agreement.none",
    }
