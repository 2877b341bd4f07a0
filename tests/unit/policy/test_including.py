"""A policy with what it includes is one policy, and can be written as one file that hashes the same."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigurationError
from gateway.policy import Action, Policy, check_policy, flatten, read_policy
from gateway.policy.language import joining
from gateway.settings import read_policy_file
from tests.unit.policy.rules import EXAMPLES, HEAD, reviewed

TOP = "policy: p\nversion: 1\nschema_set: s\n"


def reading(text: str, **others: str) -> Policy:
    return read_with(text, {f"{name}.yaml": other for name, other in others.items()})


def read_with(text: str, others: Mapping[str, str]) -> Policy:
    def include(name: str) -> bytes:
        if name not in others:
            raise FileNotFoundError(name)
        return others[name].encode()

    return read_policy(text.encode(), file="config/p.yaml", include=include)


def told(found: Policy) -> list[tuple[str, str]]:
    return sorted((rule.path, rule.action.value) for rule in found.rules)


def test_what_is_included_counts_as_if_it_stood_here() -> None:
    found = reading(
        TOP + "include: a.yaml\nrules:\n  - keep: set:x\n",
        a="paths:\n  x: //A\nrules:\n  - drop: /B\nrequire:\n  - when: {kind: arrival}\n    reason: r\n",
    )
    assert told(found) == [("/B", "drop"), ("set:x", "keep")]
    assert [found.place(rule) for rule in found.rules] == ["config/p.yaml:6", "config/a.yaml:4"]
    assert found.files == ("config/p.yaml", "config/a.yaml")
    assert [demand.reason for demand in found.require] == ["r"]


def test_a_file_overrides_what_it_includes() -> None:
    base = "paths:\n  x: //A\nrules:\n  - drop: [/B, /C]\n  - drop: /D\n    when: {kind: arrival}\nconsistency: {counts: recount}\n"
    found = reading(
        TOP
        + "include: a.yaml\npaths:\n  x: [//A, //Z]\nrules:\n  - keep: [/B, set:x]\n  - keep: /D\nconsistency: {counts: refuse}\n",
        a=base,
    )
    assert told(found) == [("/B", "keep"), ("/C", "drop"), ("/D", "drop"), ("/D", "keep"), ("set:x", "keep")]
    (of_set,) = (rule for rule in found.rules if rule.path == "set:x")
    assert [one.text for one in of_set.selector.members] == ["//A", "//Z"]
    assert found.consistency.counts == "refuse"


def test_an_override_in_the_middle_holds_though_the_base_comes_in_twice() -> None:
    files = {
        "middle.yaml": "include: base.yaml\nrules:\n  - keep: /A\n",
        "base.yaml": "rules:\n  - drop: /A\n  - drop: /B\n",
    }
    found = read_with(TOP + "include: [middle.yaml, base.yaml]\n", files)
    assert told(found) == [("/A", "keep"), ("/B", "drop")]


def test_two_files_that_say_one_rule_differently_clash() -> None:
    with pytest.raises(ConfigurationError, match=r"speaks for the same path as config/a\.yaml:2"):
        reading(TOP + "include: [a.yaml, b.yaml]\n", a="rules:\n  - drop: /A\n", b="rules:\n  - keep: /A\n")


def test_includes_go_by_the_folder_of_the_file_that_names_them() -> None:
    files = {"parts/a.yaml": "include: deeper/b.yaml\n", "parts/deeper/b.yaml": "rules:\n  - drop: /A\n"}
    assert told(read_with(TOP + "include: parts/a.yaml\n", files)) == [("/A", "drop")]


@pytest.mark.parametrize("name", ["/etc/a.yaml", "../a.yaml", "parts/../../a.yaml", "\\\\server\\a.yaml"])
def test_nothing_is_included_from_elsewhere(name: str) -> None:
    with pytest.raises(ConfigurationError, match="not beside this file or below"):
        read_with(TOP + f"include: ['{name}']\n", {name: "rules: []\n"})


def test_a_chain_of_many_files_is_refused() -> None:
    files = {f"f{number}.yaml": f"include: f{number + 1}.yaml\n" for number in range(60)}
    with pytest.raises(ConfigurationError) as caught:
        read_with(TOP + "include: f0.yaml\n", files)
    (finding,) = caught.value.findings
    assert (finding.problem, finding.fix) == ("is one of more than 50 files", "Put some of the files together")


def test_files_that_hold_too_many_values_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "MAX_VALUES", 50)
    files = {f"f{number}.yaml": "rules:\n" + f"  - drop: /A{number}\n" * 5 for number in range(3)}
    with pytest.raises(ConfigurationError) as caught:
        read_with(TOP + "include: [f0.yaml, f1.yaml, f2.yaml]\n", files)
    told = [one.problem for one in caught.value.findings if "makes the policy" in one.problem]
    assert told == ["makes the policy hold more than 1 MiB, or 50 keys and values, in all files"]
    monkeypatch.setattr(joining, "MAX_VALUES", 500)
    with pytest.raises(ConfigurationError, match="speaks for the same path"):
        read_with(TOP + "include: [f0.yaml, f1.yaml, f2.yaml]\n", files)


# ── flat ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_flat_form_says_the_same_and_is_its_own_flat_form() -> None:
    text = TOP + (
        "title: 'a: b # c'\ninclude: a.yaml\npaths:\n  x: [set:y, //B]\n  y: [wco:R037, privacy:personal]\n"
        "criteria:\n  office: //ExitOffice/ID\n"
        "rules:\n  - keep: [/M, set:x]\n    attributes: [b, a]\n    reason: 'true'\n"
        "  - generalise: //Amount\n    bands: [0, '0.5', 1000]\n    unless: {office: [NL*, '0123']}\n"
        "  - replace: /M/C\n    with: '0'\n  - truncate: /M/D\n    length: 3\n  - pseudonymise: /M/E\n    attributes: required\n"
        "  - generalise: /M/F\n    digits: 4\n  - generalise: /M/G\n    to: year\n  - generalise: /M/H\n    prefix: 2\n"
        "hold:\n  - when: {commodity: 93*}\n    reason: |\n      two\n      lines \u0085\n"
        "consistency: {pointers: follow}\n"
    )
    found = reading(text, a="rules:\n  - drop: /M\n  - drop: /M/I\n")
    flat = flatten(found)
    again = read_policy(flat.encode(), file="flat.yaml")
    assert again.sha256 == found.sha256
    assert flatten(again) == flat
    assert told(again) == told(found)
    assert "include" not in flat


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_example_can_be_written_flat(file: Path) -> None:
    found = read_policy_file(file)
    flat = read_policy(flatten(found).encode(), file="flat.yaml")
    assert flat.sha256 == found.sha256
    # A node keeps policies in this form, and `gateway policy restore` writes it into a file again.
    assert check_policy(flat, reviewed(flat.schema_set)) == ()


def test_what_the_check_does_not_mind_of_an_included_file_it_does_not_mind_in_the_flat_form() -> None:
    shared = (
        "shared: true\nrules:\n  - drop: [privacy:credential, //Nowhere]\n    reason: r\n"
        "require:\n  - when: {elsewhere: [X]}\n    reason: r\ncriteria:\n  elsewhere: //Nowhere\n"
    )
    found = reading(
        HEAD.replace("rules:\n", "include: a.yaml\nrules:\n") + "  - keep: /MetaData/WCOTypeName\n", a=shared
    )
    flat = flatten(found)
    again = read_policy(flat.encode(), file="flat.yaml")
    assert flat.count("shared: true") == 3
    assert (again.sha256, flatten(again)) == (found.sha256, flat)

    def problems(policy: Policy) -> list[str]:
        return sorted(one.problem for one in check_policy(policy, reviewed(policy.schema_set)))

    assert problems(again) == problems(found)
    own = read_policy(flat.replace("shared: true", "shared: false").encode(), file="flat.yaml")
    assert own.sha256 == found.sha256
    assert {one for one in problems(own) if "Nowhere" in one or "elsewhere" in one}, "what stands here alone is minded"


@given(st.text(min_size=1, max_size=40).filter(lambda text: text.strip() and not any(ord(one) < 32 for one in text)))
def test_any_text_is_the_same_when_read_from_the_flat_form(text: str) -> None:
    quoted = "".join(
        char if char.isprintable() else (f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}")
        for char in json.dumps(text, ensure_ascii=False)
    )
    try:
        found = read_policy(f"{HEAD}  - keep: /A\n    reason: {quoted}\n".encode("utf-8", "surrogatepass"), file="p")
    except ConfigurationError:
        return  # what no policy can hold, such as half a character
    assert read_policy(flatten(found).encode(), file="p").rules[0].reason == found.rules[0].reason == text.strip()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("to: month", "to: year"),
        ("[FR, NL]", "[FR]"),
        ("when: {country", "unless: {country"),
        ("//Name]", "//Names]"),
        ("//ExitOffice/ID", "//EntryOffice/ID"),
        ("reason: arms", "reason: weapons"),
        ("hold:", "require:"),
        ("counts: recount", "counts: refuse"),
        ("set:x", "set:z"),
    ],
)
def test_whatever_is_said_is_in_the_hash(old: str, new: str) -> None:
    text = TOP + (
        "paths:\n  x: [//Name]\n  z: [//Name]\ncriteria:\n  office: //ExitOffice/ID\nrules:\n  - drop: set:x\n"
        "  - generalise: /A\n    to: month\n    when: {country-of-destination: [FR, NL], office: X}\n"
        "hold:\n  - when: {commodity: 93*}\n    reason: arms\nconsistency: {counts: recount}\n"
    )
    assert old in text
    assert reading(text.replace(old, new)).sha256 != reading(text).sha256


def test_order_and_way_of_writing_are_not_in_the_hash() -> None:
    one = reading(
        TOP
        + "paths:\n  x: [//A, set:y]\n  y: //B\nrules:\n  - drop: [/A, set:x]\n  - keep: /A\n    when: {kind: [arrival]}\n"
        "  - generalise: /C\n    bands: [0, 1000]\n"
    )
    other = reading(
        TOP + "include: a.yaml\nrules:\n  - {when: {kind: arrival}, keep: /A}\n  - drop: /A\n",
        a="paths:\n  x: [//B, //A]\nrules:\n  - drop: set:x\n  - generalise: /C\n    bands: ['0.0', '1e3']\n",
    )
    assert one.sha256 == other.sha256
    assert {rule.action for rule in one.rules} == {Action.DROP, Action.KEEP, Action.GENERALISE}


def test_what_an_included_file_says_of_places_that_are_not_there_is_told_unless_it_is_shared() -> None:
    part = "rules:\n  - drop: [//Nowhere, privacy:credential]\n"
    top = HEAD.replace("rules:\n", "include: a.yaml\nrules:\n") + "  - keep: /MetaData/WCOTypeName\n"

    def told_of_it(text: str) -> list[tuple[str, int | None, bool]]:
        found = check_policy(reading(top, a=text), reviewed("dms-declaration"))
        return [(one.file, one.line, one.is_error) for one in found if one.file == "config/a.yaml"]

    assert told_of_it(part) == [("config/a.yaml", 2, False)]
    assert told_of_it(f"shared: true\n{part}") == []
    assert told_of_it(f"{part}    shared: true\n") == []


def test_the_files_of_a_policy_are_no_more_together_than_one_may_be() -> None:
    long = f"rules: []\n{'#' * 400_000}\n"
    with pytest.raises(ConfigurationError) as caught:
        reading(TOP + "include: [a.yaml, b.yaml, c.yaml, d.yaml]\nrules: []\n", **dict.fromkeys("abcd", long))
    told = [one for one in caught.value.findings if "makes the policy hold more than 1 MiB, or 50,000" in one.problem]
    assert [(one.file, one.line, one.key) for one in told] == [("config/p.yaml", 4, "include")]


def test_what_is_read_of_broken_files_counts_too() -> None:
    asked: list[str] = []

    def include(name: str) -> bytes:
        asked.append(name)
        return b"#" * 600_000 + b"\n1\n---\n2\n"

    text = TOP + f"include: [{', '.join(f'f{number}.yaml' for number in range(90))}]\nrules: []\n"
    with pytest.raises(ConfigurationError):
        read_policy(text.encode(), file="config/p.yaml", include=include)
    assert asked == ["f0.yaml", "f1.yaml"]


def test_sets_in_sets_without_end_are_refused() -> None:
    sets = "".join(f"  s{number}: set:s{number + 1}\n" for number in range(400))
    with pytest.raises(ConfigurationError) as caught:
        reading(f"{TOP}paths:\n{sets}  s400: //A\nrules:\n  - drop: set:s0\n")
    assert "is the 17th set within a set" in {one.problem for one in caught.value.findings}


@pytest.mark.parametrize("key", ["paths", "criteria"])
def test_a_file_names_so_many_things_and_no_more(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        reading(f"{TOP}{key}:\n" + "".join(f"  s{number}: //A\n" for number in range(501)) + "rules:\n  - drop: //A\n")
    assert [(one.key, one.problem) for one in caught.value.findings] == [(key, "has more than 500 names")]
