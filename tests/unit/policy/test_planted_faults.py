"""The laws notice a policy room that is broken: each fault is planted in its source, and grown
documents meet that under policies with rules of every kind."""

import importlib

import pytest

from tests.oracle.growing import grow
from tests.unit.policy.drawn_policies import Drawn
from tests.unit.policy.grown import NILLABLE, grown_roots, set_places
from tests.unit.policy.planted import Fault, planted

FAULTS = {
    "an attribute leaves that no rule names": Fault(
        file="views/cut.py",
        source="kept = {name: found[name] for name in place.attributes if name in found}",
        broken="kept = {name: found[name] for name in (*place.attributes, 'languageID') if name in found}",
    ),
    "what can not be changed leaves as it was": Fault(
        file="views/cut.py",
        source="        if made is None:\n            return False\n",
        broken="        if made is None:\n            return True\n",
    ),
    "what the schema requires is not asked for": Fault(
        file="views/cut.py",
        source="all(standing.count(tag) >= least for tag, least in place.required)",
        broken="True",
    ),
    "a date keeps its day": Fault(
        file="changing/dates.py",
        source='(f"{dash}01" if day is not None else "")',
        broken='(f"{dash}{day}" if day is not None else "")',
    ),
    "a text is cut one character late": Fault(
        file="changing/actions.py",
        source="cut = text[: change.number]",
        broken="cut = text[: change.number + 1]",
    ),
    "a pseudonym needs no key": Fault(
        file="changing/pseudonyms.py",
        source="digest = hmac.digest(self.key,",
        broken="digest = hmac.digest(bytes(32),",
    ),
    "a pseudonym is made of a pseudonym": Fault(
        file="changing/pseudonyms.py",
        source="if self.made(plain, shape):",
        broken="if False:",
    ),
    "`unless` is read as `when`": Fault(
        file="language/conditions.py",
        source="return any(self.takes(answer.strip(_BLANKS)) for answer in answers) is not self.negated",
        broken="return any(self.takes(answer.strip(_BLANKS)) for answer in answers)",
    ),
    "a condition on an item asks all items": Fault(
        file="language/conditions.py",
        source="    deepest = max(shared.values(), default=0)\n",
        broken="    deepest = min(2, max(shared.values(), default=0))\n",
    ),
    "a count is left as it was": Fault(
        file="consistency/mending.py",
        source="mends = [*_renumbered(root, observed), *_recounted(root, observed), *_recomputed(root, observed)]",
        broken="mends = [*_renumbered(root, observed), *_recomputed(root, observed)]",
    ),
    "nobody looks whether what is numbered or counted goes": Fault(
        file="consistency/mending.py",
        source="any(element.tag in self.members for element in going)",
        broken="False",
    ),
    "a pointer to what went stays": Fault(
        file="consistency/pointers.py",
        source="            yield from ((step.pointer, None) for step in self.steps)\n",
        broken="",
    ),
    "the receiver takes what has no place": Fault(
        file="views/inspect.py",
        source="if place is None or names or not place.is_plain:",
        broken="if place is not None and (names or not place.is_plain):",
    ),
    "the receiver takes a value that was not changed": Fault(
        file="views/inspect.py",
        source="if place.change is not None and not place.change.may_have_made(",
        broken="if False and not place.change.may_have_made(",
    ),
    "a rule from far above decides": Fault(
        file="ruling/rulings.py",
        source="return Ruling(candidates=(*own, *above.candidates), own=len(own))",
        broken="return Ruling(candidates=(*above.candidates, *own), own=len(above.candidates))",
    ),
}
POLICY = b"""\
policy: every-kind
version: 1
schema_set: dms-declaration
consistency: {sequence: renumber, counts: recount, totals: recompute, pointers: follow}
criteria: {border-office: //ExitOffice/ID}
rules:
  - {keep: /MetaData/Declaration, attributes: required}
  - {drop: "privacy:credential"}
  - {drop: //Contact}
  - {drop: /MetaData/Declaration/Agent/Address}
  - {drop: //GovernmentAgencyGoodsItem/Seller, unless: {commodity: ["93*", "8703*"]}}
  - {drop: //GovernmentAgencyGoodsItem/Consignee, when: {commodity: ["93*", "01*"]}}
  - {drop: //GovernmentAgencyGoodsItem/Buyer}
  - {generalise: //Packaging/SequenceNumeric, bands: [2, 3, 4]}
  - {generalise: //IssueDateTime/DateTimeString, to: month, attributes: required}
  - {generalise: //ExitDateTime/DateTimeString, to: year, attributes: required}
  - {generalise: //PostcodeID, prefix: 2}
  - {truncate: //CityName, length: 5}
  - {pseudonymise: //Declarant/ID}
  - {pseudonymise: //Importer/ID}
  - {pseudonymise: //Exporter/ID}
  - {replace: //BorderTransportMeans/ID, with: "0"}
"""
PLAIN = b"""\
policy: plain
version: 1
schema_set: dms-declaration-nil
consistency: {sequence: renumber, counts: recount, totals: recompute, pointers: follow}
rules:
  - {keep: /MetaData/Declaration, attributes: required}
  - {drop: [//AccessCode, //Authentication]}
  - {drop: [//Importer/Name, //Buyer/Address]}
"""
COURTS = (("dms-declaration", POLICY), (NILLABLE, PLAIN))
DOCUMENTS = 130


def broken() -> list[str]:
    """Return the first laws that are found broken, if any is."""
    lawful = importlib.import_module("tests.unit.policy.lawful")
    for set_id, policy in COURTS:
        court = lawful.Court(set_id, Drawn(text=policy, included={}))
        for number in range(DOCUMENTS):
            raw = grow(set_places(set_id), number, grown_roots(set_id))
            found = list(court.broken(raw, lawful.Told()))
            if found:
                return found
    return []


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_caught(name: str) -> None:
    with planted(FAULTS[name]):
        assert broken()


def test_without_a_fault_nothing_is_found_in_the_same_cases() -> None:
    real = importlib.import_module("gateway.policy")
    harmless = Fault(file="views/cut.py", source="return has_content and (", broken="return has_content and  (")
    with planted(harmless):
        assert importlib.import_module("gateway.policy") is not real
        assert broken() == []
    assert importlib.import_module("gateway.policy") is real
