"""One document in five views: each as its golden case has it, and a view that is another is noticed."""

from dataclasses import replace

import pytest

from gateway.demo.documents import load_programme
from gateway.demo.show_views import show_over_shared, show_views
from gateway.demo.views import FiveViews, five_differ, five_views
from tests.unit.demo.played import good_history
from tests.unit.demo.test_show import printed


@pytest.fixture(scope="module")
def found() -> FiveViews:
    return five_views(load_programme().named("import-two-items"))


def test_the_five_differ_and_count_what_is_in_their_bytes(found: FiveViews) -> None:
    assert five_differ(found).holds
    whole = {one.kept + one.changed + one.withheld for one in found.views}
    assert whole == {140}
    assert [one.partner[:2] for one in found.views] == ["FR", "NL", "NO", "CH", "US"]


def test_the_table_has_every_partner_its_law_and_what_it_gets(found: FiveViews) -> None:
    told = printed(lambda console: show_views(console, found))
    assert max(map(len, told.splitlines())) <= 100
    for one in found.views:
        assert one.legal_basis.split()[0] in told
        assert one.partner in told
    assert "20260301000000+00" in told


def test_two_that_are_alike_and_one_that_is_not_as_written_are_found(found: FiveViews) -> None:
    first, second, *others = found.views
    alike = replace(found, views=(first, replace(first, partner=second.partner), *others))
    assert five_differ(alike).seen == "4 different views"
    other = replace(
        found, views=(replace(first, wrong="the view is not the one that is written down"), second, *others)
    )
    assert five_differ(other).seen == f"{first.partner}: the view is not the one that is written down"


def test_where_the_agreements_have_errors_the_check_says_so_and_nothing_is_shown(found: FiveViews) -> None:
    broken = replace(found, views=(), broken="the example agreements have 3 errors")
    assert five_differ(broken).seen == "the example agreements have 3 errors"
    assert printed(lambda console: show_views(console, broken)) == ""


def test_a_refusal_of_too_much_is_told_and_so_is_its_absence() -> None:
    history = good_history()
    assert "a signed refusal" in printed(lambda console: show_over_shared(console, history))
    one = history.played.over_shared
    assert one is not None
    taken = replace(history, played=replace(history.played, over_shared=replace(one, refusal="there is none")))
    assert "NOT REFUSED: there is none" in " ".join(printed(lambda console: show_over_shared(console, taken)).split())
