"""Privacy classes are data: what a file says counts, where it says nothing a guess is made and called one."""

from dataclasses import replace
from functools import cache

import pytest

from gateway.errors import ConfigurationError, Finding
from gateway.schema import Classed, PrivacyClass, PrivacyFile, SchemaTree, load_set, parse_privacy, read_tree
from tests.unit.schema.sets import DATA, SET_IDS, files_of, foreign

ITEM = "/MetaData/Declaration/GoodsShipment/GovernmentAgencyGoodsItem"


def rule(privacy: str, *elements: str, reason: str = "Why") -> str:
    listed = ", ".join(f'"{one}"' for one in elements)
    return f'[[rule]]\nclass = "{privacy}"\nreason = "{reason}"\nelements = [{listed}]\n'


@cache
def reviewed(set_id: str, *files: PrivacyFile) -> SchemaTree:
    """Return the tree of a bundled set with the files before those that come with it."""
    bundled = [parse_privacy(path.read_bytes(), file=path.name) for path in sorted((DATA / "privacy").glob("*.toml"))]
    return read_tree(replace(load_set(files_of(set_id)), privacy=(*files, *bundled)))


def override(*rules: str) -> PrivacyFile:
    return replace(parse_privacy("\n".join(rules).encode(), file="ours.toml"), sets=("dms-declaration",))


def findings_of(text: str) -> tuple[Finding, ...]:
    with pytest.raises(ConfigurationError) as caught:
        parse_privacy(text.encode(), file="p.toml")
    assert caught.value.code == "config.invalid"
    return caught.value.findings


# ── the bundled files ──


@pytest.mark.parametrize("set_id", SET_IDS)
def test_every_value_and_attribute_of_a_bundled_set_was_reviewed(set_id: str) -> None:
    for path, node in reviewed(set_id).nodes.items():
        assert (node.classed is not None) == node.is_leaf, path
        classed = [node.classed, *(one.classed for one in node.attributes.values())]
        assert all(one is not None for one in classed[1:]), path
        assert [one.reason for one in classed if one is not None and one.guessed] == [], path


def test_every_entry_of_the_bundled_file_names_something() -> None:
    """The response holds whole declarations, so it has every element there is; an entry in vain would be refused."""
    file = parse_privacy((DATA / "privacy" / "dms.toml").read_bytes(), file="dms.toml")
    assert set(file.sets) == set(SET_IDS)
    response = load_set(files_of("dms-response"))
    read_tree(replace(response, privacy=(replace(file, sets=("dms-response",)),)))
    in_vain = replace(file, sets=("dms-response",), entries=(*file.entries, replace(file.entries[0], wco_id="R999")))
    with pytest.raises(ConfigurationError):
        read_tree(replace(response, privacy=(in_vain,)))


@pytest.mark.parametrize(
    ("path", "privacy"),
    [
        ("/MetaData/Declaration/ObligationGuarantee/AccessCode", PrivacyClass.CREDENTIAL),
        ("/MetaData/Declaration/Authentication/Authentication", PrivacyClass.CREDENTIAL),
        ("/MetaData/Declaration/Exporter/Name", PrivacyClass.PERSONAL),
        (f"{ITEM}/Packaging/MarksNumbersID", PrivacyClass.PERSONAL),
        ("/MetaData/Declaration/Exporter/Address/CityName", PrivacyClass.PERSONAL),
        ("/MetaData/Declaration/GoodsShipment/Consignment/GoodsLocation/Address/CityName", PrivacyClass.SECURITY),
        ("/MetaData/Declaration/InvoiceAmount", PrivacyClass.COMMERCIAL),
        ("/MetaData/Declaration/GoodsShipment/Invoice/IssueDateTime/DateTimeString", PrivacyClass.COMMERCIAL),
        ("/MetaData/Declaration/AcceptanceDateTime/DateTimeString", PrivacyClass.NEUTRAL),
        ("/Declaration/Exporter/Name", PrivacyClass.PERSONAL),
        ("/MetaData/Declaration", None),
    ],
)
def test_a_place_has_the_class_of_the_entry_nearest_to_it(path: str, privacy: PrivacyClass | None) -> None:
    assert reviewed("dms-declaration").nodes[path].privacy is privacy


def test_an_attribute_has_a_class_of_its_own() -> None:
    nodes = reviewed("dms-declaration").nodes
    amount, header = nodes["/MetaData/Declaration/InvoiceAmount"], nodes["/MetaData/WCOTypeName"]
    assert amount.attributes["currencyID"].privacy is PrivacyClass.NEUTRAL
    code = nodes["/MetaData/Declaration/FunctionCode"]
    assert code.attributes["listName"].privacy is PrivacyClass.PERSONAL
    # Any language tag is a language tag, but in the envelope it is any text.
    assert code.attributes["languageID"].privacy is PrivacyClass.NEUTRAL
    assert header.attributes["languageID"].privacy is PrivacyClass.PERSONAL


# ── what an operator overrides ──


def test_an_override_counts_before_what_was_reviewed_and_changes_nothing_else() -> None:
    ours = override(rule("neutral", "/MetaData/Declaration/Exporter/Name", reason="Public with us"))
    before, after = reviewed("dms-declaration").nodes, reviewed("dms-declaration", ours).nodes
    changed = [path for path in before if before[path].classed != after[path].classed]
    # A rule for a path speaks for the bare body too, as in policies.
    assert changed == ["/MetaData/Declaration/Exporter/Name", "/Declaration/Exporter/Name"]
    assert after[changed[0]].classed == Classed(privacy=PrivacyClass.NEUTRAL, reason="Public with us", guessed=False)


def test_an_override_of_a_class_speaks_for_all_in_it_but_for_what_has_its_own() -> None:
    ours = override(rule("security", "57A Exporter"), rule("neutral", "R032 Exporter/ID", "R031 Name@languageID"))
    nodes = reviewed("dms-declaration", ours).nodes
    exporter = {path: node for path, node in nodes.items() if path.startswith("/MetaData/Declaration/Exporter/")}
    leaves = {path.rpartition("/")[2] for path, node in exporter.items() if node.privacy is PrivacyClass.SECURITY}
    assert {"Name", "CityName", "Line"} <= leaves
    assert nodes["/MetaData/Declaration/Exporter/ID"].privacy is PrivacyClass.NEUTRAL
    assert nodes["/MetaData/Declaration/Exporter/Name"].attributes["languageID"].classed == Classed(
        privacy=PrivacyClass.NEUTRAL, reason="Why", guessed=False
    )


def test_an_entry_that_the_set_does_not_have_is_told_with_its_line_and_the_nearest() -> None:
    ours = override(
        rule("neutral", "/MetaData/Declaration/Exporter/Nme"),
        rule("neutral", "R031 Importer/Name"),
        rule("neutral", "@listNam", "R031 Exporter/Name@langID"),
    )
    with pytest.raises(ConfigurationError) as caught:
        reviewed("dms-declaration", ours)
    told = [(one.file, one.line, one.problem, one.fix) for one in caught.value.findings]
    assert told == [
        ("ours.toml", 4, "names /MetaData/Declaration/Exporter/Nme, which the set does not have",
         "Did you mean `/MetaData/Declaration/Exporter/Name`?"),
        ("ours.toml", 9, "names R031 Importer/Name, which the set does not have", "Did you mean `R037 Importer/Name`?"),
        ("ours.toml", 14, "names @listNam, which the set does not have", "Did you mean `@listName`?"),
        ("ours.toml", 14, "names R031 Exporter/Name@langID, which the set does not have",
         "Did you mean `R031 Exporter/Name@languageID`?"),
    ]  # fmt: skip


# ── guesses ──


def test_a_set_that_nobody_reviewed_has_guesses_and_calls_them_so() -> None:
    guesses = parse_privacy((DATA / "privacy" / "guesses.toml").read_bytes(), file="guesses.toml")
    nodes = read_tree(replace(foreign(), privacy=(guesses,))).nodes
    classed = {path: node.classed for path, node in nodes.items() if node.classed is not None}
    assert all(one.guessed for one in classed.values())
    assert classed["/Report/Code"].privacy is PrivacyClass.NEUTRAL
    assert classed["/Report/Note"].privacy is PrivacyClass.PERSONAL
    assert nodes["/Report/Left"].attributes["unit"].privacy is PrivacyClass.PERSONAL


def test_a_wco_id_that_was_reviewed_elsewhere_is_a_better_guess_than_a_name() -> None:
    bundled = parse_privacy((DATA / "privacy" / "dms.toml").read_bytes(), file="dms.toml")
    other = replace(bundled, sets=("some-other-set",))
    node = read_tree(replace(load_set(files_of("dms-declaration")), privacy=(other,))).nodes[
        f"{ITEM}/Packaging/TypeCode"
    ]
    assert node.classed is not None
    assert (node.classed.privacy, node.classed.guessed) == (PrivacyClass.NEUTRAL, True)


def test_without_any_file_text_is_taken_for_personal_and_the_rest_for_neutral() -> None:
    nodes = read_tree(foreign()).nodes
    assert nodes["/Report/Note"].classed == Classed(
        privacy=PrivacyClass.PERSONAL, reason="Text of which nothing is known", guessed=True
    )
    assert nodes["/Report/Right"].privacy is PrivacyClass.NEUTRAL
    assert nodes["/Report/Code"].privacy is PrivacyClass.NEUTRAL


# ── what is wrong with a file ──


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("sets = [", None, "is not TOML"),
        ("rules = 1", None, "is not a key"),
        ("sets = 1", None, "is not a list of texts"),
        (rule("secret", "R031 Name"), 1, "is no privacy class"),
        (rule("neutral", "R031 Name", reason=" "), 1, "is missing"),
        (rule("neutral"), 1, "names no element"),
        ('[[rule]]\nclas = "neutral"', 1, "has a key that no rule has"),
        (rule("neutral", "Exporter/Name"), 4, "which names no element"),
        (rule("neutral", "R031 /Exporter/Name"), 4, "which names no element"),
        (rule("neutral", ""), 4, "which names no element"),
        (rule("neutral", "R031 Name") + rule("personal", "R031 Name"), 8, "a second time"),
    ],
)
def test_whatever_is_wrong_in_a_file_is_told_with_its_place(text: str, line: int | None, problem: str) -> None:
    (finding,) = findings_of(text)
    assert (finding.file, finding.line) == ("p.toml", line)
    assert problem in finding.problem
    assert finding.fix


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert len(findings_of(rule("secret", "R031 Name") + rule("neutral", "Name") + "x = 1\n")) == 2
