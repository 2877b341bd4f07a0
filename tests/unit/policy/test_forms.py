"""Every finding about the form of a policy file, golden: a file with one thing wrong, what is said of it in `forms.txt`,
and the file mended as the words say.

What a schema set must be asked for stands in test_findings.py. The texts are for people who write no code: each says
where, what, and what to write instead. Read them when they change.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from gateway.errors import Finding
from gateway.policy import draft_policy
from gateway.policy.language.joining import MAX_FILES, MAX_SETS_IN_SETS
from gateway.policy.language.parts import MAX_NAMES
from gateway.policy.language.read import MAX_RULES
from gateway.policy.language.reading import MAX_TEXT
from gateway.policy.language.source import MAX_BYTES, MAX_DEPTH

TOP: Final = "policy: p\nversion: 1\nschema_set: dms-declaration\n"
RULE: Final = "rules:\n  - keep: //ID\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A policy file, an edit that mends it (in `file`, if that is another), and what it includes, by name."""

    text: str
    before: str
    after: str
    file: str = "p.yaml"
    included: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"

    def files(self, encoding: str) -> dict[str, bytes]:
        return {name: text.encode(encoding) for name, text in {"p.yaml": self.text, **self.included}.items()}

    def mended(self) -> dict[str, bytes]:
        files = self.files("utf-8")
        before = self.before.encode()
        assert before in files[self.file], self.before
        return {**files, self.file: files[self.file].replace(before, self.after.encode(), 1)}


def top(lines: str, before: str, after: str) -> Form:
    """A policy whose keys beside the rules are wrong."""
    return Form(text=TOP + lines + RULE, before=before, after=after)


def rule(lines: str, before: str, after: str) -> Form:
    """A policy with wrong rules."""
    return Form(text=f"{TOP}rules:\n{lines}", before=before, after=after)


def key(line: str, before: str, after: str) -> Form:
    """A policy with a rule in which one key is wrong."""
    return rule(f"  - keep: //ID\n    {line}\n", before, after)


def including(included: Mapping[str, str], before: str, after: str, lines: str = "") -> Form:
    """A policy that goes wrong with what it includes."""
    names = ", ".join(included)
    return Form(text=f"{TOP}include: [{names}]\n{lines}", before=before, after=after, included=included)


NAMES: Final = "".join(f"  c{number}: //ID\n" for number in range(MAX_NAMES + 1))
SETS: Final = "".join(f"  s{number}: set:s{number + 1}\n" for number in range(MAX_SETS_IN_SETS + 1))
CHAIN: Final = {f"f{number}.yaml": f"include: f{number + 1}.yaml\n" for number in range(1, MAX_FILES)}
LONG: Final = "#" * (MAX_BYTES // 2)

FORMS: Final[Mapping[str, Form]] = {
    # ── is it YAML? (source.py, slips.py) ────────────────────────────────────────────────────────────────────────────
    "a text with a colon": key("reason: Article 12: duties", "Article 12: duties", "'Article 12: duties'"),
    "a tab": rule("\t- keep: //ID\n", "\t", "  "),
    "a sign that YAML keeps for itself": key("reason: @office", "@office", "'@office'"),
    "a star alone": key("when: {commodity: *}", "*", "'*'"),
    "an ampersand alone": key("reason: & more", "& more", "'& more'"),
    "a list beside its key": rule("  - keep: - //ID\n", " - //ID", "\n      - //ID"),
    "a key without a colon": key("reason", "reason", "reason: Controls"),
    "quotes that do not end": key("reason: 'Controls", "'Controls", "'Controls'"),
    "a backslash in double quotes": key(r'reason: "A\W"', r'"A\W"', r'"A\\W"'),
    "a text beside the sign of a block": key("reason: |Controls", "|", "|\n      "),
    "a list that does not end": key("attributes: [unitCode", "[unitCode", "[unitCode]"),
    "a list that is only begun": key("attributes: [", "[", "[unitCode]"),
    "a group that does not end": key("when: {kind: declaration", "kind: declaration", "kind: declaration}"),
    "a text behind quotes": key("reason: 'it's theirs'", "'it's theirs'", '"it\'s theirs"'),
    "keys in different columns": rule("  - keep: //ID\n   reason: Controls\n", "\n   reason", "\n    reason"),
    "a bracket where none can stand": key("reason: ]", "]", "']'"),
    "a character that YAML does not allow": key("reason: A\x01B", "\x01", " "),
    "an escape that is no character": key(r'reason: "\U00110000"', r"\U00110000", "é"),
    "half a character": key(r'reason: "\ud834"', r"\ud834", "é"),
    "another encoding": Form(text=f"{TOP}title: Café\n{RULE}", encoding="latin-1", before="", after=""),
    "an empty file": Form(text="# nothing yet\n", before="# nothing yet\n", after=TOP + RULE),
    "two documents": Form(text=f"{TOP}---\n{RULE}", before="---\n", after=""),
    "an alias": key("reason: *why", "*why", "'*why'"),
    "an anchor": key("reason: &why Controls", "&why ", ""),
    "a tag": key("reason: !why Controls", "!why ", ""),
    "lists within lists": key(f"reason: {'[' * MAX_DEPTH}", "[" * MAX_DEPTH, "Controls"),
    "a group as a key": key("when: {{kind}: declaration}", "{kind}", "kind"),
    "a key twice": key("reason: Controls\n    reason: Statistics", "    reason: Statistics\n", ""),
    "a file that is too large": Form(text=TOP + RULE + LONG * 2, before=LONG * 2, after=""),
    "more keys and values than are read": key(f"when: {{commodity: [{'1,' * 50_000}]}}", "1," * 50_000, "93*"),
    # ── what stands under a key (reading.py) ─────────────────────────────────────────────────────────────────────────
    "a list instead of keys": Form(text="- keep: //ID\n", before="- keep: //ID\n", after=TOP + RULE),
    "a key misspelt": rule("  - kep: //ID\n", "kep", "keep"),
    "a key unknown": key("motive: Controls", "    motive: Controls\n", ""),
    "a key missing": Form(text=TOP.replace("version: 1\n", "") + RULE, before="schema", after="version: 1\nschema"),
    "a text instead of a list": Form(text=f"{TOP}rules: //ID\n", before=" //ID", after="\n  - keep: //ID"),
    "a list of nothing": Form(text=f"{TOP}rules: []\n", before=" []", after="\n  - keep: //ID"),
    "a number instead of a text": key("reason: 12", "12", "'12'"),
    "a text that is too long": key(f"reason: {'x' * MAX_TEXT}x", "x" * MAX_TEXT, ""),
    "a tab in a text": key("reason: 'Controls\tand more'", "\t", " "),
    "capitals in a name": Form(text=(TOP + RULE).replace("policy: p", "policy: P"), before="P", after="p"),
    "a number that is too small": Form(text=(TOP + RULE).replace("version: 1", "version: 0"), before="0", after="1"),
    "neither true nor false": key("shared: yes", "yes", "true"),
    # ── one file by itself (parts.py) ────────────────────────────────────────────────────────────────────────────────
    "a set without a name": top("paths: //Contact\n", " //Contact", "\n  contact: //Contact"),
    "too many names": top(f"criteria:\n{NAMES}", "  c0: //ID\n", ""),
    "a rule about nothing": rule("  - keep: []\n", "[]", "[//ID]"),
    "a rule that does nothing": rule("  - reason: Controls\n", "reason: Controls", "keep: //ID"),
    "a rule that does two things": rule("  - keep: //ID\n    drop: //Name\n", "    drop", "  - drop"),
    "attributes of what is dropped": rule(
        "  - drop: //ID\n    attributes: [unitCode]\n", "    attributes: [unitCode]\n", ""
    ),
    "attributes in a word": key("attributes: all", "all", "required"),
    "an attribute with a sign": key("attributes: ['@unitCode']", "'@unitCode'", "unitCode"),
    "an attribute twice": key("attributes: [unitCode, unitCode]", ", unitCode", ""),
    "a change that lacks its number": rule("  - truncate: //ID\n", "//ID\n", "//ID\n    length: 3\n"),
    "a change in two ways": rule("  - generalise: //ID\n    digits: 4\n    prefix: 4\n", "    prefix: 4\n", ""),
    "a change to what is unknown": rule("  - generalise: //ID\n    to: week\n", "week", "month"),
    "a change to three digits": rule("  - generalise: //ID\n    digits: 3\n", "3", "4"),
    "bands that fall": rule("  - generalise: //ID\n    bands: [100, 0]\n", "100, 0", "0, 100"),
    "a condition that asks nothing": key("when: commodity", "commodity", "{commodity: 93*}"),
    "a criterion without a value": key("when: {commodity: []}", "[]", "[93*]"),
    "a star in the middle": key("when: {commodity: 93*1}", "93*1", "93*"),
    # ── all files together (joining.py, selectors.py, read.py) ───────────────────────────────────────────────────────
    "an agreement that is included": including({"gb-fr.yaml": "agreement: gb-fr\n"}, "include: [gb-fr.yaml]\n", RULE),
    "too many files": Form(
        text=f"{TOP}include: f1.yaml\n",
        included=CHAIN,
        file=f"f{MAX_FILES - 1}.yaml",
        before=f"include: f{MAX_FILES}.yaml\n",
        after="rules: []\n",
    ),
    "files that are too large together": including(
        {"a.yaml": LONG + "\nrules: []\n", "b.yaml": LONG + "\nrules: []\n"}, ", b.yaml", ""
    ),
    "two files with one rule": including(
        {"a.yaml": "rules:\n  - drop: //Name\n", "b.yaml": "rules:\n  - keep: //Name\n"},
        "rules:\n",
        "rules:\n  - drop: //Name\n",
        RULE,
    ),
    "two files with one criterion": including(
        {"a.yaml": "criteria:\n  office: //ExitOffice/ID\n", "b.yaml": "criteria:\n  office: //Office/ID\n"},
        "rules:",
        "criteria:\n  office: //ExitOffice/ID\nrules:",
        RULE,
    ),
    "a set with a blank in its name": top("paths:\n  the people: //Contact\n", "the people", "the-people"),
    "a criterion with a blank in its name": top(
        "criteria:\n  the office: //ExitOffice/ID\n", "the office", "the-office"
    ),
    "sets in sets without end": top(f"paths:\n{SETS}  s{MAX_SETS_IN_SETS + 1}: //ID\n", "s1: set:s2", "s1: //ID"),
    "a set that nothing is like": rule("  - drop: set:people\n", "rules:", "paths:\n  people: //Contact\nrules:"),
    "a path that does not begin at the root": rule(
        "  - keep: Declaration/ID\n", "Declaration", "/MetaData/Declaration"
    ),
    "a path with too many leaps": rule("  - keep: //A//B//C//D//E\n", "//D//E", "//D/E"),
    "an id without a number": rule("  - keep: 'wco:'\n", "'wco:'", "wco:R037"),
    "a set with capitals": rule(
        "  - keep: set:People\n", "rules:\n  - keep: set:People", "paths: {people: //ID}\nrules:\n  - keep: set:people"
    ),
    "a class that is none": rule("  - keep: privacy:secret\n", "secret", "personal"),
    "a criterion of many places": top("criteria:\n  people: privacy:personal\n", "privacy:personal", "wco:R037"),
    "a criterion that nothing is like": key("when: {people: X}", "rules:", "criteria:\n  people: //Name\nrules:"),
    "too many rules": rule(f"  - keep: [{', '.join(f'/A{number}' for number in range(MAX_RULES + 1))}]\n", "/A0, ", ""),
}
GOLDEN: Final = Path(__file__).with_name("forms.txt")


def said(files: Mapping[str, bytes]) -> tuple[Finding, ...]:
    """Return what is said of a policy before any schema set is asked."""
    return draft_policy(files["p.yaml"], file="p.yaml", include=lambda name: files[name])[1]


def findings(form: Form) -> tuple[Finding, ...]:
    """Return what is said of a form before it is mended."""
    return said(form.files(form.encoding))


def golden() -> dict[str, str]:
    """Return what `forms.txt` has: the name of each form, and below it what is said."""
    blocks = GOLDEN.read_text(encoding="utf-8").strip().split("\n\n")
    return {name: told for name, _, told in (block.partition("\n    ") for block in blocks)}


@pytest.mark.parametrize("name", FORMS)
def test_a_file_of_wrong_form_is_told_in_these_words(name: str) -> None:
    (one,) = findings(FORMS[name])
    assert f"{one.level}: {one}" == golden()[name]


@pytest.mark.parametrize("name", FORMS)
def test_a_file_mended_as_its_finding_says_is_read(name: str) -> None:
    assert [str(one) for one in said(FORMS[name].mended())] == []


def test_nothing_is_told_of_a_form_that_is_not_there() -> None:
    assert list(golden()) == list(FORMS)
