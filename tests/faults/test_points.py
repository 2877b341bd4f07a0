"""Each gateway killed at each of its failpoints in turn, while both exchange documents: nothing is lost, doubled, invented,
altered or left lying.

Points are met with leftovers of the deaths before in all states, which is why they share one pair of gateways. Those
that need another back end than a webhook are in `test_folder.py` and `test_pull.py`, those of receipts that come later in
`test_later.py`.
"""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.client import ClientError
from gateway.domain.failpoint import Failpoint
from gateway.failpoints import VARIABLE
from tests.faults.books import check_books
from tests.faults.noting import note
from tests.faults.traffic import SAMPLES, Document
from tests.faults.walk import OF_LATER, OF_NODE, OF_RECEIVER, OF_SENDER, WITH_FOLDER_OR_PULL, Walk, walkers
from tests.world import FR, GB

pytestmark = pytest.mark.faults


def test_every_point_is_killed_at_somewhere() -> None:
    walked = {*OF_SENDER, *OF_RECEIVER, *OF_NODE}
    elsewhere = WITH_FOLDER_OR_PULL | {*OF_LATER}
    assert walked | elsewhere == set(Failpoint)
    assert walked & elsewhere == set()


async def ends_well(walk: Walk) -> None:
    run = walk.run
    assert [str(breach) for breach in run.breaches] == []
    assert [await side.process.stop() for side in run.gateways.sides.values()] == [0, 0]
    assert [await side.audit_is_whole() for side in run.gateways.sides.values()] == [True, True]


@pytest.mark.parametrize("rounds", [pytest.param(1, id="short"), pytest.param(3, id="long", marks=pytest.mark.long)])
async def test_a_kill_at_each_point_loses_and_doubles_nothing(
    tmp_path: Path, count: Callable[..., None], rounds: int
) -> None:
    async with walkers(tmp_path, seed=1) as walk:
        try:
            for number in range(rounds):
                ways = of_sender(number), of_receiver(number)
                # Each gateway plays both parts in turn.
                await walk.both(*(ways if number % 2 == 0 else reversed(ways)))
                assert [str(breach) for breach in walk.run.breaches] == []
        finally:
            print(walk.summary())
        assert len(walk.deaths) == rounds * len({*OF_SENDER, *OF_RECEIVER, *OF_NODE})
        await ends_well(walk)
        if rounds > 1:
            note("each failpoint × 3", walk.figures())
    count("kills at a failpoint", len(walk.deaths))


def of_sender(number: int) -> list[tuple[Failpoint, int]]:
    """Return the way of the sender in one round, from 0: another passing in each."""
    return [(point, number + 1) for point in OF_SENDER]


def of_receiver(number: int) -> list[tuple[Failpoint, int]]:
    """Return the way of the receiver. What happens to a node once is passed once, a recovery twice."""
    once = {Failpoint.RECOVERING: number % 2 + 1}
    return [(point, number + 1) for point in OF_RECEIVER] + [(point, once.get(point, 1)) for point in OF_NODE]


async def test_a_kill_between_the_signature_and_the_commit_of_a_release_leaves_it_held(tmp_path: Path) -> None:
    async with walkers(tmp_path, seed=1) as walk:
        run, process = walk.run, walk.run.gateways.gb.process
        document = Document(marker="released", sample=SAMPLES[0], sender=GB, recipient=FR, held=True)
        message_id = (await run.clients.submit(run.known(document))).message_id
        await process.stop()
        await process.start(environment={VARIABLE: f"{Failpoint.VIEW_SIGNED}:1:kill"})
        with pytest.raises(ClientError):
            await walk.officer.release_all()
        assert await process.ended(within=60) == -signal.SIGKILL
        assert walk.officer.waiting() == [message_id]
        assert check_books(run.books()[GB]) == []
        await process.start()
        await walk.officer.release_all()
        await run.finish()
        await ends_well(walk)
