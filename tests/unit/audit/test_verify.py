"""Every change of a chain is found: flips, deletions, insertions, swaps, truncation."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit import (
    AuditEntry,
    AuditEvent,
    AuditRecord,
    ChainHead,
    Fault,
    export_lines,
    genesis,
    link,
    parse_export,
    verify,
    verify_chain,
    verify_export,
)
from gateway.audit.events import FACTS
from gateway.errors import LocalError

START = datetime(2026, 1, 1, tzinfo=UTC)

texts = st.text(max_size=20)
entries = st.builds(
    AuditEntry,
    event=st.sampled_from(AuditEvent),
    at=st.integers(0, 10**15).map(lambda micros: START + timedelta(microseconds=micros)),
    actor=texts,
    transfer_id=st.none() | texts,
    message_id=st.none() | texts,
    facts=st.dictionaries(st.sampled_from(sorted(FACTS)), texts | st.integers(-(2**53) + 1, 2**53 - 1), max_size=3),
)


def chain_of(content: list[AuditEntry], name: str = "node") -> list[AuditRecord]:
    head, records = genesis(name), []
    for entry in content:
        record, head = link(head, entry)
        records.append(record)
    return records


chains = st.lists(entries, min_size=2, max_size=8).map(chain_of)


def exported(records: list[AuditRecord]) -> bytes:
    return b"".join(export_lines(records, start=genesis("node")))


def holds(data: bytes) -> bool:
    try:
        return verify_export(data.splitlines(keepends=True)).intact
    except LocalError as error:
        return error.code != "audit.broken"


@given(chains)
def test_an_untouched_chain_is_intact(records: list[AuditRecord]) -> None:
    verdict = verify_chain(records, "node", expected=records[-1].head)
    assert verdict.intact
    assert (verdict.count, verdict.head, verdict.broken_seq) == (len(records), records[-1].head, None)


@given(chains, st.data())
def test_a_deleted_record_is_found_where_it_is_missing(records: list[AuditRecord], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(records) - 2))
    verdict = verify_chain(records[:place] + records[place + 1 :], "node")
    assert (verdict.fault, verdict.broken_seq) == (Fault.SEQUENCE, place + 1)


@given(chains, st.data())
def test_an_inserted_record_is_found(records: list[AuditRecord], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(records)))
    stranger, _ = link(records[place - 1].head if place else genesis("node"), data.draw(entries))
    changed = [*records[:place], stranger, *records[place:]]
    assert not verify_chain(changed, "node", expected=records[-1].head).intact


@given(chains, st.data())
def test_two_swapped_records_are_found(records: list[AuditRecord], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(records) - 2))
    second = data.draw(st.integers(first + 1, len(records) - 1))
    records = list(records)
    records[first], records[second] = records[second], records[first]
    assert verify_chain(records, "node").broken_seq == first + 1


@given(chains, st.data())
def test_contents_swapped_under_their_own_sequences_are_found(records: list[AuditRecord], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(records) - 2))
    one, two = records[place], records[place + 1]
    records = list(records)
    records[place], records[place + 1] = replace(one, entry=two.entry), replace(two, entry=one.entry)
    assert verify_chain(records, "node").intact == (one.entry == two.entry)


@given(chains, st.data())
def test_a_cut_at_the_end_is_found_against_the_known_head(records: list[AuditRecord], data: st.DataObject) -> None:
    keep = data.draw(st.integers(0, len(records) - 1))
    verdict = verify_chain(records[:keep], "node", expected=records[-1].head)
    assert (verdict.fault, verdict.broken_seq) == (Fault.TRUNCATED, keep + 1)


@given(chains)
def test_a_rewritten_chain_is_found_against_the_known_head(records: list[AuditRecord]) -> None:
    rewritten = chain_of([replace(record.entry, actor="operator:other") for record in records])
    known = records[-1].head
    assert verify_chain(rewritten, "node").intact
    assert verify_chain(rewritten, "node", expected=known).intact == (rewritten == records)


@given(chains, st.lists(entries, min_size=1, max_size=3))
def test_a_chain_that_grew_still_passes_through_the_head_noted_before(
    records: list[AuditRecord], later: list[AuditEntry]
) -> None:
    grown = chain_of([record.entry for record in records] + later)
    assert verify(grown, start=genesis("node"), expected=records[-1].head, exact=False).intact
    assert verify(grown, start=genesis("node"), expected=records[-1].head).fault is Fault.EXTRA


@given(chains)
def test_a_record_of_another_chain_is_found(records: list[AuditRecord]) -> None:
    assert verify_chain(records, "other").fault is Fault.OTHER_CHAIN
    moved = [replace(record, chain="other") for record in records]
    assert not verify_chain(moved, "other").intact


def test_a_head_before_the_start_is_not_taken_as_confirmed() -> None:
    records = chain_of([AuditEntry(event=AuditEvent.NODE_STARTED, at=START, actor="system")] * 3)
    known = ChainHead(chain="node", seq=1, hash="0" * 64)
    assert verify(records[2:], start=records[1].head, expected=known, exact=False).fault is Fault.HEAD


@given(chains)
def test_an_export_comes_back_as_it_was(records: list[AuditRecord]) -> None:
    parsed = list(parse_export(exported(records).splitlines(keepends=True)))
    assert parsed[1:-1] == records
    assert holds(exported(records))


@given(st.lists(entries, min_size=1, max_size=3).map(chain_of), st.data())
@settings(max_examples=200)
def test_every_flipped_byte_of_an_export_is_found(records: list[AuditRecord], data: st.DataObject) -> None:
    intact = exported(records)
    place = data.draw(st.integers(0, len(intact) - 1))
    mask = data.draw(st.integers(1, 255))
    changed = bytearray(intact)
    changed[place] ^= mask
    assert not holds(bytes(changed))


def test_every_single_bit_of_a_small_export_is_found() -> None:
    facts: dict[str, str | int] = {"reason": 'a "quoted"\t\x1f note', "count": 10, "code": "été"}
    records = chain_of(
        [
            AuditEntry(event=AuditEvent.NODE_STARTED, at=START, actor="system", facts=facts),
            AuditEntry(event=AuditEvent.NODE_STOPPED, at=START, actor="system", transfer_id="t", message_id="m"),
        ]
    )
    intact = exported(records)
    missed = []
    for place in range(len(intact)):
        for bit in range(8):
            changed = bytearray(intact)
            changed[place] ^= 1 << bit
            if holds(bytes(changed)):
                missed.append((place, bit))
    assert missed == []


@given(chains, st.data())
def test_an_export_with_a_line_deleted_repeated_or_moved_is_found(
    records: list[AuditRecord], data: st.DataObject
) -> None:
    lines = exported(records).splitlines(keepends=True)
    place = data.draw(st.integers(0, len(lines) - 1))
    assert not holds(b"".join(lines[:place] + lines[place + 1 :]))
    assert not holds(b"".join([*lines[: place + 1], *lines[place:]]))
    other = (place + data.draw(st.integers(1, len(lines) - 1))) % len(lines)
    moved = list(lines)
    moved[place], moved[other] = moved[other], moved[place]
    assert not holds(b"".join(moved))


@given(chains, st.data())
def test_an_export_cut_anywhere_is_found(records: list[AuditRecord], data: st.DataObject) -> None:
    whole = exported(records)
    assert not holds(whole[: data.draw(st.integers(0, len(whole) - 1))])


def test_an_export_of_a_part_starts_from_its_own_head() -> None:
    records = chain_of([AuditEntry(event=AuditEvent.NODE_STARTED, at=START, actor="system")] * 5)
    lines = list(export_lines(records[2:], start=records[1].head))
    verdict = verify_export(lines, expected=records[3].head)
    assert verdict.intact
    assert verdict.count == 3


def test_an_empty_chain_has_an_export_too() -> None:
    assert holds(exported([]))


@pytest.mark.parametrize(
    "line",
    [
        b'{"format":"wcx-audit-export-1"}\n',
        b"[]\n",
        b'"format"\n',
        b"1\n",
        b"\xff\n",
        b"[" * 100_000 + b"\n",
        b'{"format":"other","part":"start","chain":"node","seq":0,"hash":"' + b"0" * 64 + b'"}\n',
    ],
)
def test_a_line_that_is_none_of_ours_is_refused_with_the_stable_code(line: bytes) -> None:
    with pytest.raises(LocalError) as caught:
        list(parse_export([line]))
    assert caught.value.code == "audit.broken"


def test_a_verdict_says_in_words_what_is_wrong() -> None:
    records = chain_of([AuditEntry(event=AuditEvent.NODE_STARTED, at=START, actor="system")] * 3)
    verdict = verify_chain([records[0], replace(records[1], hash=records[0].hash), records[2]], "node")
    assert (verdict.broken_seq, verdict.fault) == (2, Fault.HASH)
    assert "hashed" in verdict.reason
    assert verify_chain(records, "node").reason == ""


def test_only_an_unreadable_record_counts_as_a_break() -> None:
    def failing(code: str) -> Iterator[AuditRecord]:
        yield from chain_of([AuditEntry(event=AuditEvent.NODE_STARTED, at=START, actor="system")])
        raise LocalError(code)

    verdict = verify_chain(failing("audit.broken"), "node")
    assert (verdict.fault, verdict.broken_seq) == (Fault.UNREADABLE, 2)
    with pytest.raises(LocalError, match="internal"):
        verify_chain(failing("internal"), "node")
