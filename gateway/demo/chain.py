"""An audit export read with nothing but hashlib and json, after docs/audit.md: shares no code with `gateway.audit`.

So what the gateway says of its own chain is held against a second reading by another program.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The records of an export, in order. `broken`: empty if every hash and number hold; else what does not."""

    name: str
    head: str
    broken: str
    records: tuple[Mapping[str, Any], ...] = field(repr=False)


def read_chain(export: bytes) -> Chain:
    """Return the chain of an export and whether it holds."""
    lines = [json.loads(line) for line in export.splitlines()]
    start, records, end = lines[0], lines[1:-1], lines[-1]
    name, seq, previous = start["chain"], start["seq"], start["hash"]
    broken = "" if previous == _genesis(name) else "it does not begin at its genesis"
    for record in records:
        if not broken and not _follows(record, name, seq, previous):
            broken = f"record {seq + 1} does not hold"
        seq, previous = seq + 1, record["hash"]
    if not broken and (end["chain"], end["seq"], end["hash"], end["count"]) != (name, seq, previous, len(records)):
        broken = "the end does not fit"
    return Chain(name=name, head=f"{seq}:{previous}", broken=broken, records=tuple(records))


def _genesis(name: str) -> str:
    return hashlib.sha256(b"wcx-audit-genesis-1\n" + name.encode()).hexdigest()


def _follows(record: Mapping[str, Any], name: str, seq: int, previous: str) -> bool:
    content = {member: value for member, value in record.items() if member not in {"previous", "hash"}}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    hashed = hashlib.sha256(b"wcx-audit-record-1\n" + bytes.fromhex(previous) + text).hexdigest()
    return (record["chain"], record["seq"], record["previous"], record["hash"]) == (name, seq + 1, previous, hashed)
