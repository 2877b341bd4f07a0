"""A gateway killed in the middle of a request with several submissions: the same request again gives each its answer, and
none is lost or doubled."""

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.app.node import DATABASE
from gateway.client import ClientError, NewSubmission, Submission
from gateway.domain.failpoint import Failpoint
from gateway.failpoints import VARIABLE
from tests.faults.books import check_books, read_books
from tests.faults.traffic import Document
from tests.world import FR, GB, two_gateways

pytestmark = pytest.mark.faults


def new(number: int) -> NewSubmission:
    document = Document(marker=f"bulk-{number}", sample="export-one-item.xml", sender=GB, recipient=FR)
    return NewSubmission(document=document.text(), to=(FR,), idempotency_key=document.key)


@pytest.mark.parametrize(
    ("point", "nth", "kept"),
    [
        pytest.param(Failpoint.SUBMISSION_WRITTEN, 3, 0, id="before the commit"),
        pytest.param(Failpoint.SUBMISSION_COMMITTED, 2, 4, id="between the commit and the answer"),
        pytest.param(Failpoint.SUBMISSION_ANSWERED, 1, 4, id="after the answer"),
    ],
)
async def test_a_kill_leaves_all_of_a_request_accepted_or_none_and_asking_again_gives_each_its_answer(
    tmp_path: Path, point: Failpoint, nth: int, kept: int
) -> None:
    async with two_gateways(tmp_path, start=False, extra="insecure_failpoints = true\n") as gateways:
        side, database = gateways.gb, gateways.gb.layout.data / DATABASE
        asked = [new(1), new(2), replace(new(0), sender=FR), new(3), new(4)]
        await side.process.start(timeout=120, environment={VARIABLE: f"{point}:{nth}:kill"})
        async with side.submissions() as client:
            if point is Failpoint.SUBMISSION_ANSWERED:
                assert len(await client.submit_many(asked)) == len(asked)
            else:
                with pytest.raises(ClientError):
                    await client.submit_many(asked)
        assert await side.process.ended(within=60) == -signal.SIGKILL
        assert len(read_books(database, GB).transfers) == kept, "they share one commit"
        await side.process.start(timeout=120)
        async with side.submissions() as client:
            again = await client.submit_many(asked)
        assert isinstance(again[2], ClientError)
        assert again[2].code == "access.forbidden"
        accepted = [one for one in again if isinstance(one, Submission)]
        assert [one.replayed for one in accepted] == [bool(kept)] * 4
        books = read_books(database, GB)
        assert {one.transfers[0].message_id for one in accepted} == set(books.transfers)
        assert [str(breach) for breach in check_books(books)] == []
