"""One expression for many: true exactly where one of them finds something."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.schema.rules.screen import any_of

NAMES = ("a", "b", "c")
PREDICATES = (
    "b",
    "@k",
    ". < 3",
    ". = '2'",
    "2",
    "last()",
    "position() != 1",
    "not(c)",
    "c and @k",
    "count(*) > 1",
    "count(b)",
)
FOREIGN = ("count(a) > 1", "(a | b)[2]", "a = b", "not(a)", "a/b = 3 or c", "string(a)", "'a|b'", "a[. = '|/[']")


def nodes() -> st.SearchStrategy[str]:
    leaves = st.sampled_from(["<a>1</a>", "<b>2</b>", "<c k='1'>3</c>", "<a k='2'/>"])
    within = lambda inner: st.builds(  # noqa: E731 - a strategy of strategies
        lambda name, parts: f"<{name}>{''.join(parts)}</{name}>", st.sampled_from(NAMES), st.lists(inner, max_size=4)
    )
    return st.recursive(leaves, within, max_leaves=12)


def paths() -> st.SearchStrategy[str]:
    names = st.sampled_from([*NAMES, *NAMES, "*", ".", "..", "descendant::b"])
    predicates = st.lists(st.sampled_from(PREDICATES), max_size=2).map(
        lambda found: "".join(f"[{one}]" for one in found)
    )
    steps = st.builds(lambda name, asked: name if name in (".", "..") else name + asked, names, predicates)
    rest = st.lists(st.builds(lambda slash, step: slash + step, st.sampled_from(["/", "/", "//"]), steps), max_size=3)
    return st.builds(
        lambda lead, first, more: lead + first + "".join(more), st.sampled_from(["", "", "/", "//"]), steps, rest
    )


def unions() -> st.SearchStrategy[str]:
    return st.lists(paths(), min_size=1, max_size=4).map(" | ".join)


@given(nodes(), st.lists(st.one_of(unions(), st.sampled_from(FOREIGN)), min_size=1, max_size=4))
def test_it_is_true_where_one_of_them_finds_something(inside: str, expressions: list[str]) -> None:
    root = etree.fromstring(f"<a>{inside}{inside}</a>")
    each: list[Any] = [root.xpath(f"boolean({one})") for one in expressions]
    assert root.xpath(f"boolean({any_of(expressions)})") is any(each)


@pytest.mark.parametrize(
    ("expressions", "one"),
    [
        (["a/b[c < 0] | a/d/e"], "a[b[(c < 0)] or d[e]]"),
        (["//d[. = 'a/b|c[']", "//d[@f = 1]"], "/descendant::d[(. = 'a/b|c[') or (@f = 1)]"),
        (["//d[2]", "//d/e"], "//d[2] or /descendant::d[e]"),
        (["a//b | a/b", "a/c"], "a[descendant::b or b or c]"),
        (["a/b[c != position()]", "a/b/d"], "a[b[c != position()] or b[d]]"),
        (["a[1]/b", "a[2]/b", "a[count(b)]"], "a[1][b] or a[2][b] or a[count(b)]"),
        (["a/b", "a/b/c", "a/b[d = 1]"], "a[b]"),
        (["wcx:repeated(a/b) | a/c"], "boolean((a/b)[2] and wcx:repeated(a/b)) or a[c]"),
        (["wcx:not-among(a[b = ')']/c, d)"], "boolean((a[b = ')']/c) and wcx:not-among(a[b = ')']/c, d))"),
        (["wcx:repeated(a[not(b)])[c]"], "boolean(wcx:repeated(a[not(b)])[c])"),
        (["wcx:not-among(a[b = ',']/c, d)"], "boolean((a[b = ',']/c) and wcx:not-among(a[b = ',']/c, d))"),
        (["a[wcx:leads-nowhere(b)]"], "a[((b) and wcx:leads-nowhere(b))]"),
    ],
)
def test_what_begins_alike_is_asked_once(expressions: list[str], one: str) -> None:
    assert any_of(expressions) == one


def test_what_asks_for_a_number_below_zero_is_left_out_where_there_is_none() -> None:
    expressions = ["a/b[. < 0] | a/c[. < 0][d = 1] | a/e", "f[. < 1]"]
    assert any_of(expressions, negative=False) == "a[e] or f[(. < 1)]"
    assert any_of(["a/b[. < 0]"], negative=False) == ""
