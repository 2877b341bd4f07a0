"""The page that releases many: it counts first, releases by that number, and tells what came of it."""

from lxml import html

from gateway.domain.hold import HeldQuery
from tests.store_values import PARTNER
from tests.unit.web.listening import Node, ask, send_form, signed_in
from tests.unit.web.test_console_forms import ENGLISH, shown
from tests.unit.web.test_operations import REASON, accepted, held


async def test_an_officer_counts_what_is_held_and_releases_it_together(node: Node, operations: str) -> None:
    first, second = await held(node, approvals=2), await accepted(node)
    await send_form(operations, f"/console/transfers/{second.id}/hold", "operator", reason="a call from the port")
    listed = await ask(f"{operations}/console/transfers?state=HELD", cookies=signed_in(operations, "officer"))
    assert "/console/transfers/release" in listed.text
    path = "/console/transfers/release"
    asked = await ask(f"{operations}{path}?recipient={PARTNER}&code=&rule=", cookies=signed_in(operations, "officer"))
    assert ENGLISH("release.fit", count=2) in shown(asked.text)
    fields = dict(html.fromstring(asked.text).forms[-1].form_values())
    found = await node.store.count_held(HeldQuery(recipient=PARTNER), officer="officer-1")
    assert (fields["up_to"], fields["recipient"], fields["after"]) == (str(found.up_to), PARTNER, "")
    later = await held(node)
    fields = {**fields, "reason": "the rule held too much"}
    del fields["form_token"]
    answer = shown((await send_form(operations, path, "officer", **fields)).text)
    assert ENGLISH("release.done", released=1, approved=1, left=0) in answer
    again = await send_form(operations, path, "officer", **{**fields, "rule": REASON.code})
    assert ENGLISH("release.done", released=0, approved=0, left=1) in shown(again.text)
    assert f"/console/transfers/{first.id}" in again.text
    assert later.id not in again.text


async def test_only_officers_find_the_page_that_releases_many(node: Node, operations: str) -> None:
    await held(node)
    listed = await ask(f"{operations}/console/transfers?state=HELD", cookies=signed_in(operations, "operator"))
    assert "/console/transfers/release" not in listed.text
    refused = await ask(f"{operations}/console/transfers/release", cookies=signed_in(operations, "operator"))
    assert refused.status == 403
