"""The demo notices a gateway that is broken: faults are planted in a copy of the program, and the demo runs over that.

Nothing in the product can be told to do wrong: the copy lies in the test's own folder, and what is started there is the
copy, the demo as well as both gateways. A demo takes long, so all faults stand in one copy. Each must be noticed by its
checks, in words that no other fault brings about, and no check fails but those that a fault touches.
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
    """A piece of source and what stands in its place; which checks must fail, and a word of what one of them must say.

    `also`: checks that fail or not, as the traffic falls.
    """

    file: str
    source: str
    broken: str
    checks: frozenset[str]
    seen: str
    also: frozenset[str] = frozenset()


FAULTS = {
    "a filter rule ignored": Fault(
        file="policy/language/rules.py",
        source="        return self.action is not Action.DROP\n",
        broken="        return self.action is not Action.DROP or self.path == 'set:free-texts'\n",
        checks=frozenset({"withheld", "counted", "five views"}),
        seen="import-two-items: 1 of its 4 marked words left",
    ),
    "a receipt not verified": Fault(
        file="envelope/statement.py",
        source="    es256.verify(key.public_key, hashlib.sha256(parsed.signing_input).digest(), signature)\n",
        broken="",
        checks=frozenset({"forged receipt"}),
        seen="204, DELIVERED, a receipt stored",
        # What its sender takes for delivered is not sent any more.
        also=frozenset({"nothing lost", "receipts", "handed over", "audit of GB-HMRC"}),
    ),
    "more taken than was agreed": Fault(
        file="exchange/admit.py",
        source="        if agreement.over_shared is OverSharing.REFUSE or error.code",
        broken="        if error.code",
        checks=frozenset({"over-shared", "nothing invented"}),
        seen="it says otherwise about verdict, code; it reached the back end",
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


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The demo over a copy of the program in which every fault is planted."""
    folder = tmp_path_factory.mktemp("broken")
    shutil.copytree(ROOT / "gateway", folder / "gateway")
    for name in ("wco_schemas", "config"):
        (folder / name).symlink_to(ROOT / name)
    for fault in FAULTS.values():
        plant(fault, folder)
    return gateway("demo", cwd=folder, timeout=300)


def plant(fault: Fault, folder: Path) -> None:
    file = folder / "gateway" / fault.file
    text = file.read_text(encoding="utf-8")
    assert text.count(fault.source) == 1, f"{fault.file} has changed: plant the fault anew"
    file.write_text(text.replace(fault.source, fault.broken), encoding="utf-8")


def failed(ran: Ran) -> dict[str, str]:
    """Return what each check that did not hold says, by its name."""
    _, _, checks = ran.out.partition("\nChecks")
    told = re.split(r"^(?=ok  |FAIL)", checks, flags=re.MULTILINE)
    found = (re.match(r"FAIL +(.+?)  (.*)", one, re.DOTALL) for one in told)
    return {one[1].strip(): " ".join(one[2].split()) for one in found if one}


@pytest.mark.parametrize("name", FAULTS)
def test_the_demo_says_which_check_a_fault_fails(name: str, ran: Ran) -> None:
    fault = FAULTS[name]
    told = failed(ran)
    assert fault.checks <= told.keys(), ran.out + ran.err
    # Expected and seen stand below the check; what is seen may be folded over lines.
    assert all("expected" in told[check] for check in fault.checks)
    assert any(fault.seen in told[check] for check in fault.checks), ran.out


def test_the_demo_fails_by_these_faults_alone(ran: Ran) -> None:
    """The documents were taken, nothing broke off, and what no fault touches holds."""
    assert ran.code == 1, ran.out + ran.err
    assert failed(ran).keys() <= {check for fault in FAULTS.values() for check in fault.checks | fault.also}, ran.out
    assert re.search(r"^ok +taken +41 of 41 documents were taken", ran.out, re.MULTILINE)
    assert f"\n{len(failed(ran))} of 29 checks FAILED: " in ran.out
