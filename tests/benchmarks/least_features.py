"""What the features of the gateway cost at the least: the library calls under each, with nothing of ours around them.

The least line (least_line.py) has no features. Here each does for a batch of messages what it can not do without: bytes
are compressed and sealed, rows inserted, signatures made and checked. Order, retry, keys looked up, strict reading,
answers, log lines, the requests of notices and what a commit writes to disk are left out, for they are no single call
of a library. So the sum is too low for any gateway that has the features, and what the least line would reach with it
is more than any can.
"""

import hashlib
import hmac
import os
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

import orjson
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.app import Snapshot, lay_desk, rulebook_of
from gateway.demo.layout import NodeLayout
from gateway.document import read
from gateway.domain.ids import RuleSetId, SchemaSetId
from gateway.domain.profile import ProfileTerms
from gateway.schema import compile_profile, judge, validate
from gateway.settings import load_configuration
from gateway.settings.rule_file import read_rule_sets
from tests.benchmarks.floor import BATCH, Floor, declarations
from tests.benchmarks.stored import store_rows

_TURNS: Final = 60
_REFERENCES: Final = 2
_RECORDS: Final = 9
"""Audit records of a message, at both ends together, from its acceptance to the notice of its hand-over."""

_COMPRESS: Final = zstandard.ZstdCompressor(level=1, write_checksum=False).compress


def features(node: NodeLayout, folder: Path) -> dict[str, float]:
    """Return milliseconds of CPU a message of each feature, by what it does: medians over _TURNS batches."""
    with store_rows(folder) as stored:
        works = {**_works(node), **{f"rows of the store: {row.name}": row.bare for row in stored}}
        for work in works.values():
            work()
        return {what: median(_time(work) for _ in range(_TURNS)) / BATCH * 1000 for what, work in works.items()}


def _works(node: NodeLayout) -> Mapping[str, Callable[[], object]]:
    floor, raws = Floor(), declarations("features", BATCH)
    roots = [floor.parse(raw) for raw in raws]
    for root in roots:
        floor.cut(root)
    views = [floor.serialise(root) for root in roots]
    receipts = [floor.make_receipt("00" * 32) for _ in raws]
    wrapping = AESGCM(os.urandom(32))
    facts = [{"event": "transfer.accepted", "id": str(number), "facts": "f" * 400} for number in range(BATCH)]

    def seal(content: bytes) -> bytes:
        key, nonce, other = os.urandom(32), os.urandom(12), os.urandom(12)
        return wrapping.encrypt(other, key, b"row") + AESGCM(key).encrypt(nonce, _COMPRESS(content), b"row")

    def record(one: Mapping[str, str]) -> str:
        return hashlib.sha256(orjson.dumps(one)).hexdigest()

    def check(notices: Iterable[bytes]) -> None:
        for one in notices:
            floor.check_receipt(one, "00" * 32)

    return {
        "profile rules and code lists": _judging(node, raws),
        "inspection on arrival": lambda: [floor.withheld(root) for root in roots],
        "document at rest": lambda: [seal(raw) for raw in raws],
        "message at rest, at both ends": lambda: [seal(view) for view in views for _ in range(2)],
        "references found again, at both ends": lambda: [
            hmac.digest(b"k" * 32, b"reference", "sha256") for _ in range(2 * _REFERENCES * BATCH)
        ],
        "notice of the hand-over, signed": lambda: [floor.make_receipt("00" * 32) for _ in raws],
        "notice of the hand-over, checked": lambda: check(receipts),
        "audit records": lambda: [record(one) for one in facts for _ in range(_RECORDS)],
    }


def _judging(node: NodeLayout, raws: list[bytes]) -> Callable[[], object]:
    """The gateway's own, since nearly all of it is one expression that libxml2 evaluates."""
    configuration = load_configuration(node.config)
    desk = lay_desk(Snapshot(generation=1, settings=configuration.node, rulebook=rulebook_of(configuration)))
    declaration = desk.sets[SchemaSetId("dms-declaration")]
    rules = read_rule_sets(None)[0][RuleSetId("dms-declaration")]
    profile = compile_profile(ProfileTerms(rules=rules.id, rules_sha256=rules.sha256), declaration, rules)
    documents = [validate(read(raw, desk.limits), declaration) for raw in raws]
    today = datetime.now(UTC).date()
    return lambda: [judge(one, profile, today) for one in documents]


def _time(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
