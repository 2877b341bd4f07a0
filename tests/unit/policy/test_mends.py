"""Who does what a finding says is rid of it: for every bad policy, its mend as the finding words it.

A mend is edits of the policy or of a file it includes, each a text and what stands there instead. Where several are
needed, each is what a finding says that came up after the one before.
"""

from pathlib import Path

import pytest

from gateway.errors import Finding
from gateway.policy import check_policy, draft_policy
from tests.unit.policy.rules import reviewed
from tests.unit.policy.test_findings import BAD, CODE_LISTS, FILES

D = "/MetaData/Declaration"
ITEM = f"{D}/GoodsShipment/GovernmentAgencyGoodsItem"
R = "/MetaData/Response/Declaration"
CONSIGNEE = f"{D}/GoodsShipment/Consignee"
NEW_RULE = "rules:\n"
Edit = tuple[str, str, str]
"""A file, empty for the policy itself; a text in it; the text that stands there instead."""


def here(before: str, after: str) -> Edit:
    return "", before, after


def added(*rules: str) -> Edit:
    return here(NEW_RULE, NEW_RULE + "".join(f"  - {rule}\n" for rule in rules))


MENDS: dict[str, tuple[Edit, ...]] = {
    "attribute-decided-by-itself": (here("    attributes: [unitCode]\n", ""),),
    "attribute-dropped-by-itself": (here("drop: //AcceptanceDateTime", "keep: //AcceptanceDateTime"),),
    "attribute-like-no-other": (here("colour", "unitCode"),),
    "attribute-of-a-name-unknown": (here("@unitcode", "@unitCode"),),
    "attribute-of-a-path-like-no-other": (here("@colour", "@unitCode"),),
    "attribute-of-a-path-that-has-none": (here("/@colour", ""),),
    "attribute-of-a-path-unknown": (here("@unitcode", "@unitCode"),),
    "attribute-required": (here("AcceptanceDateTime\n", "AcceptanceDateTime\n    attributes: required\n"),),
    "attribute-that-nothing-takes": (here("unitcode", "unitCode"),),
    "attribute-where-none-can-be": (here("    attributes: [colour]\n", ""),),
    "change-of-a-class": (here("GoodsShipment/Consignee", "GoodsShipment/Consignee/Name"),),
    "change-that-does-not-fit": (here("pseudonymise:", "drop:"),),
    "change-with-a-key-of-another": (here("    digits: 4\n", ""), added(f"keep: {ITEM}/SequenceNumeric")),
    "change-without-a-way": (here("SequenceNumeric\n", "SequenceNumeric\n    bands: [1, 10]\n"),),
    "class-dropped-at-times": (added(f"drop: {ITEM}/SequenceNumeric\n    when: {{commodity: 93*}}"),),
    "class-of-a-wco-id-taken-back": (
        here("[wco:27A, wco:57B]", f"[{CONSIGNEE}//*, {ITEM}/Consignee//*, {D}/Declarant//*]"),
    ),
    "code-that-has-ended": (here("with: AN", "with: CW"),),
    "code-that-no-list-has": (here("with: UK", "with: GB"),),
    "condition-asks-in-a-pointer": (here("section: 42A", "kind: amendment"),),
    "condition-asks-in-many-places": (here("country: FR", "kind: arrival"),),
    "condition-asks-what-is-counted": (here("items: 3", "destination-of-all: NL"),),
    "condition-asks-what-is-dropped": (
        added(f"keep: [{D}/GoodsShipment/Destination/CountryCode, {ITEM}/Destination/CountryCode]"),
        added(f"keep: {ITEM}/SequenceNumeric"),
    ),
    "condition-asks-what-is-renumbered": (here("number: 2", "commodity: 22"),),
    "condition-asks-what-is-summed": (here("mass: 3", "destination-of-all: NL"),),
    "condition-asks-what-may-go": (
        here(
            "generalise: /MetaData/Declaration/Consignment/Itinerary/SequenceNumeric\n    bands: [1, 100]",
            "keep: /MetaData/Declaration/Consignment/Itinerary/SequenceNumeric",
        ),
    ),
    "consistency-unknown": (here("mend", "renumber"),),
    "credential-kept": (here("keep: //ObligationGuarantee", "drop: //ObligationGuarantee"),),
    "credential-within-what-is-kept": (added(f"drop: {D}/ObligationGuarantee/AccessCode"),),
    "credentials-by-their-class": (here("keep: privacy", "drop: privacy"),),
    "credentials-in-a-set": (added(f"drop: [{D}/Authentication/Authentication, {D}/ObligationGuarantee/AccessCode]"),),
    "credentials-within-what-is-kept": (added("drop: privacy:credential"),),
    "criterion-built-in": (here("criteria:\n  commodity: //CommodityCode\n", ""),),
    "criterion-of-a-place-unknown": (
        here("//ExitOfice", "//ExitOffice"),
        added(f"keep: {D}/ExitOffice/ID"),
    ),
    "criterion-unknown": (
        here("country-of-destinations", "country-of-destination"),
        added(f"keep: [{D}/GoodsShipment/Destination/CountryCode, {ITEM}/Destination/CountryCode]"),
        added(f"keep: {ITEM}/SequenceNumeric"),
    ),
    "criterion-unknown-in-an-included-file": (("parts/asking.yaml", "//ExitOfice", "//ExitOffice"),),
    "include-cycle": (("parts/two.yaml", "include: one.yaml\n", "rules: []\n"),),
    "include-for-another-set": (("parts/for-responses.yaml", "schema_set: dms-response\n", "rules: []\n"),),
    "include-from-elsewhere": (here("include: ../outside.yaml\n", ""),),
    "include-missing": (here("include: parts/no-such-file.yaml\n", ""),),
    "items-may-go": (here("rules:", "consistency: {counts: recount, sequence: renumber}\nrules:"),),
    "kind-code-changed": (here(f"truncate: {D}/TypeCode\n    length: 2", f"keep: {D}/TypeCode"),),
    "kind-code-dropped": (here(f"drop: {D}/TypeCode", f"keep: {D}/TypeCode"),),
    "kind-code-not-kept": (added(f"keep: {D}/TypeCode"),),
    "kind-unknown": (here("declarations", "declaration"),),
    "name-like-no-other": (here("//Weather", "//Communication"),),
    "name-unknown": (here("//Consigne/", "//Consignee/"),),
    "names-not-below-each-other": (here("//Name/Consignee", "//Consignee/Name"),),
    "never-by-all-kinds": (here("[declaration, amendment, arrival]", "[declaration, amendment]"),),
    "never-by-conditions": (here("    unless: {type-code: IM*}\n", "    unless: {type-code: IMD}\n"),),
    "never-by-criterion": (here("    when: {commodity: 93*}\n", ""),),
    "never-by-criterion-in-an-included-file": (("parts/by-commodity.yaml", "    when: {commodity: 93*}\n", ""),),
    "never-by-kind": (here("kind: response", "kind: arrival"),),
    "nothing-kept": (added(f"keep: {D}/FunctionCode", f"keep: {D}/TypeCode"),),
    "part-of-an-item-without-its-number": (added(f"keep: {ITEM}/SequenceNumeric"),),
    "path-below-a-value": (here("/Value", ""),),
    "path-like-no-other": (here("/Weather", "/ID"),),
    "path-like-no-other-from-the-start": (here("/Message/", "/MetaData/"),),
    "path-misspelt-from-the-start": (here("/Metadata/", "/MetaData/"),),
    "path-of-a-bare-body": (
        here("/Declaration/Accept", f"{D}/Accept"),
        here("DateTime\n", "DateTime\n    attributes: required\n"),
    ),
    "path-unknown": (here("/Consigne\n", "/Consignee\n"),),
    "path-unknown-in-an-included-file": (("parts/misspelt.yaml", "rules:", "shared: true\nrules:"),),
    "personal-data-at-times": (added("drop: privacy:personal"),),
    "personal-data-of-many": (added("drop: privacy:personal"),),
    "personal-data-unnamed": (added(f"keep: {CONSIGNEE}/Name", "drop: privacy:personal"),),
    "pointers-may-lead-nowhere": (here("rules:", "consistency: {pointers: follow}\nrules:"),),
    "privacy-class-of-nothing": (here("  - drop: privacy:credential\n", ""),),
    "privacy-class-takes-back": (here(f"drop: {CONSIGNEE}", f"drop: {CONSIGNEE}//*"),),
    "replacement-that-does-not-fit": (here("none", "'0'"),),
    "require-without-a-question": (
        here("Only imports are covered\n", "Only imports are covered\n    when: {kind: arrival}\n"),
    ),
    "required-element-dropped": (here("drop: //Gov", "keep: //Gov"),),
    "required-element-dropped-at-times": (
        here(f"  - drop: {ITEM}/SequenceNumeric\n    when: {{kind: amendment}}\n", ""),
    ),
    "required-element-dropped-unless": (added(f"keep: {ITEM}/SequenceNumeric"),),
    "same-path-twice": (here(f"  - drop: {D}/ID\n", ""),),
    "schema-set-like-no-other": (here("customs", "dms-declaration"),),
    "schema-set-unknown": (here("declarations", "declaration"),),
    "set-that-names-itself": (here(", set:people", ""),),
    "set-unknown": (here("set:contacts-data", "set:contact-data"),),
    "set-with-a-place-unknown": (here("//Communications", "//Communication"),),
    "sets-that-differ": (here("rules:", "paths:\n  contact-data: [//Contact]\nrules:"),),
    "shadowed": (here("  - drop: //TotalGrossMassMeasure\n", ""),),
    "shadowed-by-what-is-in-it": (here(f"  - drop: {D}/ExitOffice\n", ""),),
    "tie": (here("  - drop: //Consignee/Name\n    reason: Screening of parties\n", ""),),
    "tie-of-conditions": (
        here("when: {type-code: [IMD, IMZ]}\n", "when: {type-code: [IMD, IMZ]}\n    unless: {type-code: [IMA, IMD]}\n"),
    ),
    "tie-with-an-included-file": (here("//GoodsShipment/Consignee/Name", f"{CONSIGNEE}/Name"),),
    "totals-may-go": (here("sequence: renumber", "sequence: renumber, totals: recompute"),),
    "value-alone-in-what-is-required": (here(f"generalise: {R}/VersionID\n    digits: 4", f"keep: {R}/VersionID"),),
    "value-that-can-not-be": (here("FRA", "FR"),),
    "wco-id-like-no-other": (here("XXXX", "57B"),),
    "wco-id-unknown": (here("wco:R39", "wco:39B"),),
}


OTHER_WAYS: dict[str, tuple[Edit, ...]] = {
    "attribute-decided-by-itself": (here("  - keep: /MetaData/Declaration/TotalGrossMassMeasure/@unitCode\n", ""),),
    "attribute-required": (here("keep: /MetaData/Declaration/Accept", "drop: /MetaData/Declaration/Accept"),),
    "class-of-a-wco-id-taken-back": (here("privacy:personal", f"{D}/Declarant/Name"),),
    "code-that-no-list-has": (here("replace:", "drop:"), here("    with: UK\n", "")),
    "condition-asks-what-may-go": (here("by-way-of: NL", "type-code: IMA"),),
    "never-by-conditions": (here("    unless: {type-code: IM*}\n", ""),),
    "part-of-an-item-without-its-number": (here(f"keep: {ITEM}/Origin", f"drop: {ITEM}"),),
    "privacy-class-takes-back": (here("privacy:personal", f"{D}/Declarant/Name"),),
    "required-element-dropped": (
        here(f"keep: {ITEM}/Origin", f"drop: {ITEM}"),
        here("  - drop: //GovernmentAgencyGoodsItem/SequenceNumeric\n", ""),
    ),
    "required-element-dropped-unless": (
        here(f"  - keep: {ITEM}/SequenceNumeric\n    when: {{kind: amendment}}\n", ""),
        here(f"keep: {ITEM}/Origin", f"drop: {ITEM}"),
    ),
    "tie": (here("keep: //GoodsShipment/Consignee/Name", f"keep: {CONSIGNEE}/Name"),),
    "value-alone-in-what-is-required": (here("generalise", "replace"), here("digits: 4", "with: '1'")),
    "value-that-can-not-be": (here("FRA, ", ""),),
}
"""Of findings that leave a choice, the other mend."""


def test_every_bad_policy_has_a_mend() -> None:
    assert sorted(MENDS) == sorted(file.stem for file in FILES)


def mended(file: Path, edits: tuple[Edit, ...]) -> tuple[Finding, ...]:
    """Return what is still said of a policy once it is mended."""

    def text(path: Path, name: str) -> bytes:
        found = path.read_text(encoding="utf-8")
        for where, before, instead in edits:
            if where == name:
                assert before in found, before
                found = found.replace(before, instead, 1)
        return found.encode()

    policy, noted = draft_policy(text(file, ""), file=file.name, include=lambda name: text(BAD / name, name))
    assert policy is not None
    return noted + check_policy(policy, reviewed(policy.schema_set), whole=not noted, codes=CODE_LISTS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_policy_mended_as_its_findings_say_passes_without_a_warning(file: Path) -> None:
    assert [str(one) for one in mended(file, MENDS[file.stem])] == []


@pytest.mark.parametrize("name", OTHER_WAYS)
def test_a_policy_mended_in_the_other_way_passes_too(name: str) -> None:
    assert [str(one) for one in mended(BAD / f"{name}.yaml", OTHER_WAYS[name])] == []
