"""YAML is read with lines, as text where it looks like text, and nothing that hides or grows is accepted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Finding
from gateway.policy.language.source import Fields, Items, Node, SourceError, Word, read_source


def plain(node: Node) -> object:
    match node:
        case Word():
            return node.value
        case Items():
            return [plain(one) for one in node.items]
        case Fields():
            return {name: plain(entry.node) for name, entry in node.fields.items()}


def refused(text: str | bytes) -> tuple[int | None, str]:
    with pytest.raises(SourceError) as caught:
        read_source(text.encode() if isinstance(text, str) else text, file="f.yaml")
    finding = caught.value.finding
    assert finding.file == "f.yaml"
    assert finding.fix
    return finding.line, finding.problem


def test_values_have_the_types_an_officer_means() -> None:
    text = """\
country: NO
answer: yes
number: 12
padded: 012
truth: true
nothing:
quoted: "12"
date: 2026-01-31
price: 1.50
block: |
  two
  lines
list: [a, 1, {b: c}]
"""
    assert plain(read_source(text.encode(), file="f")) == {
        "country": "NO",
        "answer": "yes",
        "number": 12,
        "padded": "012",
        "truth": True,
        "nothing": None,
        "quoted": "12",
        "date": "2026-01-31",
        "price": "1.50",
        "block": "two\nlines\n",
        "list": ["a", 1, {"b": "c"}],
    }


def test_every_key_and_entry_knows_its_line() -> None:
    node = read_source(b"a: 1\n\nb:\n  - x\n  - c: 2\n", file="f")
    assert isinstance(node, Fields)
    assert {name: entry.line for name, entry in node.fields.items()} == {"a": 1, "b": 3}
    items = node.fields["b"].node
    assert isinstance(items, Items)
    assert [one.line for one in items.items] == [4, 5]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "repeats the key `a` of line 1"),
        ("a: &x 1\n", 1, "anchor"),
        ("a: 1\nb: *x\n", 2, "alias"),
        ("a: !!python/object:os.system x\n", 1, "tag"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: [1\n", 1, "a list with `[` that does not end"),
        ("a: b: c\n", 1, "a colon where none can stand"),
        ("? [a]\n: b\n", 1, "where a key is to stand"),
        ("[" * 40 + "]" * 40, 1, "nested more than 16 levels deep"),
        ("", None, "is empty"),
        ("# only a comment\n", None, "is empty"),
        ("a: \x01\n", 1, "character that YAML does not allow"),
        ('a: "\\U00110000"\n', 1, "escape that is no character"),
        ('a: "\\U0001F600"\nb: "\\UFFFFFFFF"\n', 2, "escape that is no character"),
        (f"%YAML {'1' * 5000}.2\n---\na: 1\n", None, "escape that is no character"),
    ],
)
def test_what_is_refused_is_refused_with_its_line(text: str, line: int | None, words: str) -> None:
    at, problem = refused(text)
    assert words in problem
    assert at == line


def test_half_a_character_is_no_text() -> None:
    """It could be neither saved nor hashed."""
    line, problem = refused('a: b\nwith: "\\ud834"\n')
    assert (line, "half a character" in problem) == (2, True)


def test_other_encodings_and_huge_files_are_refused() -> None:
    assert "UTF-8" in refused("a: 1".encode("utf-16"))[1]
    assert "larger" in refused(b"#" * (1024 * 1024 + 1))[1]


def test_a_mark_at_the_start_is_no_part_of_the_first_key() -> None:
    assert plain(read_source(b"\xef\xbb\xbfa: 1", file="f")) == {"a": 1}


def outcome(raw: bytes) -> Node | Finding:
    try:
        return read_source(raw, file="f")
    except SourceError as error:
        return error.finding


@given(st.text(alphabet="ab: -[]{}&*!|>'\"\n#,?%\t", max_size=80))
def test_any_text_becomes_nodes_or_one_finding(text: str) -> None:
    assert isinstance(outcome(text.encode()), Word | Items | Fields | Finding)


@given(st.binary(max_size=60))
def test_any_bytes_become_nodes_or_one_finding(raw: bytes) -> None:
    assert isinstance(outcome(raw), Word | Items | Fields | Finding)


NAMES = st.text(alphabet="abcxyz", min_size=1, max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 999) | NAMES,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4))
def test_what_is_written_is_what_is_read(value: dict[str, object]) -> None:
    assert plain(read_source(written(value).encode(), file="f")) == value


def written(value: object) -> str:
    """Write a value in flow style."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case dict():
            return "{" + ", ".join(f"{name}: {written(one)}" for name, one in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(written, value)) + "]"
        case _:
            return str(value)


def test_the_same_wrong_text_in_two_files_is_told_of_each() -> None:
    found = []
    for file in ("one.yaml", "other.yaml", "one.yaml"):
        with pytest.raises(SourceError) as caught:
            read_source(b"a: 1\na: 2\n", file=file)
        found.append((caught.value.finding.file, caught.value.finding.line))
    assert found == [("one.yaml", 2), ("other.yaml", 2), ("one.yaml", 2)]
