"""The demo notices a gateway that is broken: each fault is planted in a copy of the program, and the demo runs over that.

Nothing in the product can be told to do wrong: the copy lies in the test's own folder, and what is started there is the
copy, the demo as well as both gateways.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.commands import ROOT, Ran, gateway

pytestmark = pytest.mark.faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A piece of source and what stands in its place; which checks must fail, and a word of what they must say."""

    file: str
    source: str
    broken: str
    checks: frozenset[str]
    seen: str


FAULTS = {
    "a filter rule ignored": Fault(
        file="policy/language/rules.py",
        source="        return self.action is not Action.DROP\n",
        broken="        return self.action is not Action.DROP or self.path == 'set:free-texts'\n",
        checks=frozenset({"withheld", "counted"}),
        seen="import-two-items: 1 of its 4 marked words left",
    ),
    "a receipt not verified": Fault(
        file="envelope/statement.py",
        source="    es256.verify(key.public_key, hashlib.sha256(parsed.signing_input).digest(), signature)\n",
        broken="",
        checks=frozenset({"forged receipt"}),
        seen="204, DELIVERED, a receipt stored",
    ),
    "an audit record dropped": Fault(
        file="storage/engine.py",
        source="        seq, previous, facts = self._seq + 1, self._hash, canonical_facts(entry)\n",
        broken="""        if entry.event == "hand_over.acknowledged" and not hasattr(Transaction, "dropped"):
            Transaction.dropped = True
            return
        seq, previous, facts = self._seq + 1, self._hash, canonical_facts(entry)
""",
        checks=frozenset({"audit of GB-HMRC", "audit of FR-DGDDI"}),
        seen="hand_over.acknowledged 0 times",
    ),
    "a transfer lost": Fault(
        file="exchange/hand_over.py",
        source="        row, view = messages[0]\n",
        broken="""        row, view = messages[0]
        if row.kind.value == "arrival" and row.recipient == "FR-DGDDI":
            return [HandedOver() for _ in messages]
""",
        checks=frozenset({"nothing lost"}),
        seen="arrival: not at the back end of FR-DGDDI",
    ),
}


def broken_copy(fault: Fault, folder: Path) -> Path:
    """Copy the program to `folder`, plant the fault, and return the folder."""
    shutil.copytree(ROOT / "gateway", folder / "gateway", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("wco_schemas", "config"):
        (folder / name).symlink_to(ROOT / name)
    file = folder / "gateway" / fault.file
    text = file.read_text(encoding="utf-8")
    assert text.count(fault.source) == 1, f"{fault.file} has changed: plant the fault anew"
    file.write_text(text.replace(fault.source, fault.broken), encoding="utf-8")
    return folder


def failed(ran: Ran) -> set[str]:
    """Return the names of the checks that did not hold."""
    return {name.strip() for name in re.findall(r"^FAIL +(.+?)  ", ran.out, re.MULTILINE)}


@pytest.mark.parametrize("name", FAULTS)
def test_the_demo_fails_and_says_which_check(name: str, tmp_path: Path) -> None:
    fault = FAULTS[name]
    copy = broken_copy(fault, tmp_path)
    ran = gateway("demo", cwd=copy, timeout=300)
    assert ran.code == 1, ran.out + ran.err
    assert fault.checks <= failed(ran), ran.out
    # Expected and seen stand below the check; what is seen may be folded over lines.
    assert "expected" in ran.out
    assert fault.seen in " ".join(ran.out.split())
    # It is this fault that is told of: the documents were taken, and nothing broke off.
    assert re.search(r"^ok +taken +41 of 41 documents were taken", ran.out, re.MULTILINE)
    assert f"\n{len(failed(ran))} of 27 checks FAILED: " in ran.out
