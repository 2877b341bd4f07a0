"""The second reading of an audit trail finds what the first one does, without sharing its code."""

import json
from collections.abc import Callable

import pytest

from gateway.audit import AuditEntry, AuditEvent, AuditRecord, export_lines, genesis, link
from gateway.demo.chain import read_chain
from tests.unit.demo.played import NOON

NAME = "GB-HMRC"


def export() -> list[bytes]:
    head, records = genesis(NAME), list[AuditRecord]()
    for number in range(4):
        entry = AuditEntry(event=AuditEvent.TRANSFER_CLAIMED, at=NOON, actor=f"opérateur {number}", transfer_id="t-1")
        record, head = link(head, entry)
        records.append(record)
    return list(export_lines(records, start=genesis(NAME)))


def test_a_whole_chain_is_unbroken() -> None:
    chain = read_chain(b"".join(export()))
    assert (chain.name, chain.broken, len(chain.records)) == (NAME, "", 4)
    assert chain.head == f"4:{json.loads(export()[-1])['hash']}"
    assert read_chain(b"".join(export_lines([], start=genesis(NAME)))).broken == ""


BREAKS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "a record was changed": (lambda lines: [line.replace(b" 2", b" 7") for line in lines], "record 3 does not hold"),
    "a record is missing": (lambda lines: lines[:2] + lines[3:], "record 2 does not hold"),
    "two records were swapped": (
        lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]],
        "record 2 does not hold",
    ),
    "the last record is missing": (lambda lines: [*lines[:-2], lines[-1]], "the end does not fit"),
    "it begins elsewhere": (lambda lines: [lines[0].replace(b"GB", b"XX"), *lines[1:]], "it does not begin"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_chain_is_found(name: str) -> None:
    change, broken = BREAKS[name]
    changed = change(export())
    assert changed != export()
    assert read_chain(b"".join(changed)).broken.startswith(broken)
