"""Which text was followed before another, and what differs between them."""

from dataclasses import replace
from datetime import timedelta

from gateway.domain.wording import Followed, WordingKind, changes, followed_before
from tests.store_values import NOW

FIRST = Followed(
    kind=WordingKind.POLICY,
    id="customs",
    version=1,
    sha256="aa",
    text_sha256="a1",
    since=NOW,
    until=None,
    actor="system",
    reason="",
)
SECOND = replace(FIRST, version=2, text_sha256="a2", since=NOW + timedelta(days=1))
THIRD = replace(FIRST, version=3, text_sha256="a3", since=NOW + timedelta(days=2))


def test_before_a_text_stands_the_last_one_of_its_own_name_and_kind() -> None:
    others = [replace(FIRST, id="other", since=SECOND.since), replace(FIRST, kind=WordingKind.AGREEMENT)]
    history = [THIRD, *others, SECOND, FIRST]
    assert followed_before(THIRD, history) == SECOND
    assert followed_before(SECOND, history) == FIRST
    assert followed_before(FIRST, history) is None


def test_of_two_versions_that_came_together_the_higher_one_stands_before() -> None:
    both = [FIRST, replace(SECOND, since=NOW)]
    assert followed_before(THIRD, both) == both[1]


def test_changes_are_the_lines_that_went_and_came() -> None:
    assert changes("a\nb\nc\n", "a\nB\nc\n") == ["@@ -1,3 +1,3 @@", " a", "-b", "+B", " c"]
    assert changes("a\n", "a\n") == []
