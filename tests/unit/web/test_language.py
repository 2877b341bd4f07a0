"""Accept-Language picks among the languages there are, and never fails a request."""

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from gateway.web.language import language_of


@pytest.mark.parametrize(
    "wish",
    [
        None,
        "",
        "en",
        "en-GB",
        "fr",
        "fr;q=1, en;q=0.2",
        "*",
        "de, xx;q=0",
        ";;;q=,",
        "en;q=9",
        "x" * 5000,
        "en," * 5000,
    ],
)
def test_every_wish_is_served_in_a_language_there_is(wish: str | None) -> None:
    headers = CIMultiDict({} if wish is None else {"Accept-Language": wish})
    assert language_of(make_mocked_request("GET", "/", headers=headers)) == "en"
