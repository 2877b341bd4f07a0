"""Which agreement permits an exchange, and why none does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.agreement import (
    Agreement,
    Flow,
    PseudonymPeriod,
    agreement_sha256,
    check_in_force,
    choose_agreement,
    why_stopped,
)
from gateway.domain.ids import AgreementId, PartyId, SchemaSetId
from gateway.domain.message import AgreementRef, MessageKind, Terms
from gateway.domain.retry import RetryPolicy
from gateway.errors import AgreementError

GB, FR, NL = PartyId("GB-HMRC"), PartyId("FR-DGDDI"), PartyId("NL-DOUANE")
START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2027, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def flow(sender: PartyId = GB, recipient: PartyId = FR, *kinds: MessageKind) -> Flow:
    return Flow(
        sender=sender,
        recipient=recipient,
        kinds=frozenset(kinds or {MessageKind.DECLARATION}),
        schema_set=SchemaSetId("dms-declaration"),
        schema_set_sha256="a" * 64,
        policy="gb-to-fr",
        policy_sha256="b" * 64,
    )


def agreement(*flows: Flow, version: int = 1, name: str = "gb-fr") -> Agreement:
    return Agreement(
        id=AgreementId(name),
        version=version,
        sha256="c" * 64,
        parties=frozenset({GB, FR}),
        flows=flows or (flow(),),
        terms=Terms(legal_basis="treaty", purpose="risk", onward_use="none", retention_days=30),
        crypto_profile="wcx-es256-1",
        valid_from=START,
        valid_until=END,
        suspended=False,
        retry=RetryPolicy(),
        message_lifetime=timedelta(days=7),
        max_document_bytes=1_000_000,
    )


def choose(*agreements: Agreement, kind: MessageKind = MessageKind.DECLARATION, now: datetime = NOW) -> Agreement:
    return choose_agreement(agreements, sender=GB, recipient=FR, kind=kind, now=now)[0]


def refusal(*agreements: Agreement, kind: MessageKind = MessageKind.DECLARATION, now: datetime = NOW) -> AgreementError:
    with pytest.raises(AgreementError) as caught:
        choose(*agreements, kind=kind, now=now)
    return caught.value


def test_the_highest_version_in_force_is_chosen_whatever_the_order() -> None:
    first, second = agreement(version=1), agreement(version=2)
    assert choose(first, second) is second
    assert choose(second, first) is second


def test_a_version_that_is_not_yet_in_force_leaves_the_one_before_it_in_place() -> None:
    first = agreement(version=1)
    coming = replace(agreement(version=2), valid_from=NOW + timedelta(days=1))
    assert choose(first, coming) is first
    assert choose(first, coming, now=NOW + timedelta(days=1)) is coming


def test_the_flow_that_covers_the_kind_comes_along() -> None:
    arrivals = flow(GB, FR, MessageKind.ARRIVAL)
    chosen, found = choose_agreement(
        [agreement(flow(), arrivals)], sender=GB, recipient=FR, kind=MessageKind.ARRIVAL, now=NOW
    )
    assert found is arrivals
    assert chosen.flow(FR, GB, MessageKind.ARRIVAL) is None


def test_without_an_agreement_between_the_two_there_is_none() -> None:
    elsewhere = replace(agreement(flow(GB, NL)), parties=frozenset({GB, NL}))
    assert refusal().code == "agreement.none"
    assert refusal(elsewhere).code == "agreement.none"


def test_a_kind_that_no_flow_covers_is_told_apart() -> None:
    assert refusal(agreement(), kind=MessageKind.RESPONSE).code == "agreement.kind_not_covered"


def test_the_way_back_is_not_the_way_there() -> None:
    assert refusal(agreement(flow(FR, GB))).code == "agreement.kind_not_covered"


def test_an_agreement_is_in_force_from_its_first_moment_up_to_its_last() -> None:
    one = agreement()
    assert choose(one, now=START) is one
    assert choose(one, now=END - timedelta(microseconds=1)) is one
    assert refusal(one, now=END).code == "agreement.not_in_force"
    assert refusal(one, now=START - timedelta(microseconds=1)).code == "agreement.not_in_force"


def test_a_suspended_agreement_permits_nothing() -> None:
    assert refusal(replace(agreement(), suspended=True)).code == "agreement.suspended"


def test_why_nothing_goes_under_an_agreement_is_said_in_a_sentence() -> None:
    one = agreement()
    assert why_stopped(one, START) is None
    assert why_stopped(replace(one, suspended=True), START) == "Agreement gb-fr version 1 is suspended at this end"
    assert why_stopped(one, END) == f"Agreement gb-fr version 1 ended on {END:%Y-%m-%d}"
    early = START - timedelta(microseconds=1)
    assert why_stopped(one, early) == f"Agreement gb-fr version 1 begins on {START:%Y-%m-%d}"


def test_where_no_version_is_in_force_the_newest_says_why() -> None:
    suspended = replace(agreement(version=2), suspended=True)
    over = replace(agreement(version=1), valid_until=START + timedelta(days=1))
    assert refusal(over, suspended).code == "agreement.suspended"
    assert "version 2" in refusal(over, suspended).detail


def test_a_suspension_counts_before_the_dates() -> None:
    with pytest.raises(AgreementError) as caught:
        check_in_force(replace(agreement(), suspended=True), END)
    assert caught.value.code == "agreement.suspended"


def test_a_message_refers_to_its_agreement_by_id_version_and_hash() -> None:
    assert agreement().ref == AgreementRef(id=AgreementId("gb-fr"), version=1, sha256="c" * 64)


def test_the_hash_is_the_one_that_any_tool_computes_over_sorted_compact_json() -> None:
    # printf '{"a":[1,true,"é"],"b":{"c":"d"}}' | sha256sum
    known = "4d3ff83b807f76a29571b5930adea1f552cc74daf2127232c4934513b73041d1"
    assert agreement_sha256({"b": {"c": "d"}, "a": [1, True, "é"]}) == known


json_values = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
contents = st.dictionaries(st.text(max_size=5), json_values, max_size=4)


@given(contents)
def test_the_hash_does_not_depend_on_the_order_of_keys(content: dict[str, object]) -> None:
    assert agreement_sha256(content) == agreement_sha256(dict(reversed(content.items())))


@given(contents, contents)
def test_different_contents_have_different_hashes(one: dict[str, object], other: dict[str, object]) -> None:
    # True and 1 are equal to Python and different in JSON, so the comparison is over the written form.
    assert (agreement_sha256(one) == agreement_sha256(other)) == (_written(one) == _written(other))


def _written(value: object) -> object:
    match value:
        case dict():
            return {key: _written(inner) for key, inner in value.items()}
        case list():
            return [_written(inner) for inner in value]
        case _:
            return (type(value).__name__, value)


@given(
    st.lists(
        st.tuples(st.integers(1, 9), st.integers(-20, 20), st.integers(-20, 20), st.booleans()), min_size=1, max_size=5
    )
)
def test_whatever_is_chosen_is_in_force_and_nothing_newer_is(versions: list[tuple[int, int, int, bool]]) -> None:
    held = [
        replace(
            agreement(version=version),
            valid_from=NOW + timedelta(days=start),
            valid_until=NOW + timedelta(days=end),
            suspended=suspended,
        )
        for version, start, end, suspended in versions
    ]
    in_force = [one for one in held if not one.suspended and one.valid_from <= NOW < one.valid_until]
    if in_force:
        assert choose(*held).version == max(one.version for one in in_force)
        assert choose(*held) in in_force
    else:
        assert refusal(*held).code in {"agreement.suspended", "agreement.not_in_force"}


@pytest.mark.parametrize(
    ("period", "at", "said"),
    [
        (PseudonymPeriod.MONTH, datetime(2026, 11, 30, 23, 59, tzinfo=UTC), "2026-11"),
        (PseudonymPeriod.MONTH, datetime(2026, 12, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), "2026-11"),
        (PseudonymPeriod.QUARTER, datetime(2026, 1, 1, tzinfo=UTC), "2026-Q1"),
        (PseudonymPeriod.QUARTER, datetime(2026, 3, 31, tzinfo=UTC), "2026-Q1"),
        (PseudonymPeriod.QUARTER, datetime(2026, 4, 1, tzinfo=UTC), "2026-Q2"),
        (PseudonymPeriod.QUARTER, datetime(2026, 12, 31, tzinfo=UTC), "2026-Q4"),
        (PseudonymPeriod.YEAR, datetime(2026, 12, 31, tzinfo=UTC), "2026"),
        (PseudonymPeriod.NONE, datetime(2026, 12, 31, tzinfo=UTC), "always"),
    ],
)
def test_a_period_of_pseudonyms_is_one_of_the_calendar_in_utc(period: PseudonymPeriod, at: datetime, said: str) -> None:
    assert period.at(at) == said


def test_a_period_needs_a_time_with_a_zone() -> None:
    with pytest.raises(ValueError, match="aware"):
        PseudonymPeriod.MONTH.at(datetime(2026, 12, 31))  # noqa: DTZ001
