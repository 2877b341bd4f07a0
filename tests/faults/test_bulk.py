"""A gateway killed in the middle of a request with several submissions: the same request again gives each its answer, and
none is lost or doubled."""

import signal
from pathlib import Path

import pytest

from gateway.client import ClientError, NewSubmission, Submission
from gateway.domain.failpoint import Failpoint
from gateway.failpoints import VARIABLE
from tests.faults.books import check_books, read_books
from tests.faults.lone import Lone, lone_gateway
from tests.world import FR, GB

pytestmark = pytest.mark.faults

BROKEN = b"<MetaData/>"


def new(lone: Lone, text: bytes | None = None) -> NewSubmission:
    document = lone.document()
    return NewSubmission(document=text or document.text(), to=(FR,), idempotency_key=document.key)


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
    async with lone_gateway(tmp_path, start=False) as lone:
        asked = [new(lone), new(lone), new(lone, BROKEN), new(lone), new(lone)]
        await lone.side.process.start(timeout=120, environment={VARIABLE: f"{point}:{nth}:kill"})
        async with lone.side.submissions() as client:
            if point is Failpoint.SUBMISSION_ANSWERED:
                assert len(await client.submit_many(asked)) == len(asked)
            else:
                with pytest.raises(ClientError):
                    await client.submit_many(asked)
        assert await lone.side.process.ended(within=60) == -signal.SIGKILL
        assert len(read_books(lone.database, GB).transfers) == kept, "they share one commit"
        await lone.side.process.start(timeout=120)
        async with lone.side.submissions() as client:
            again = await client.submit_many(asked)
        assert isinstance(again[2], ClientError)
        assert again[2].code == "schema.invalid"
        accepted = [one for one in again if isinstance(one, Submission)]
        assert [one.replayed for one in accepted] == [bool(kept)] * 4
        books = read_books(lone.database, GB)
        assert {one.transfers[0].message_id for one in accepted} == set(books.transfers)
        assert [str(breach) for breach in check_books(books)] == []
