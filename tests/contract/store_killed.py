"""A process that writes to a store until it is killed. Each id is printed only after the store acknowledged it.

Run by test_store_faults.py: `python -m tests.contract.store_killed CASE FOLDER FIRST_NUMBER`.
"""

import asyncio
import itertools
import sys
from pathlib import Path

from gateway.domain.lifecycle import TransferEvent
from gateway.ports import Store
from tests.contract.store_cases import CASES
from tests.store_values import LEASE, NOW, PARTNER, StoreValues, accepted_evidence, evidence, message_evidence


def say(what: str, name: str) -> None:
    sys.stdout.write(f"{what} {name}\n")
    sys.stdout.flush()


async def submit(store: Store, values: StoreValues) -> None:
    while True:
        change = values.submission()
        await store.accept(change, accepted_evidence(change))
        say("accepted", change.prepared.transfers[0].slot.message_id)


async def receive(store: Store, values: StoreValues) -> None:
    while True:
        result = values.admitted()
        await store.admit(result, now=NOW, audit=message_evidence(result))
        say("admitted", result.header.message_id)


async def dispatch(store: Store, values: StoreValues) -> None:
    while True:
        for claimed in await store.claim(PARTNER, limit=8, now=NOW, lease=LEASE):
            event = TransferEvent.ACCEPTED
            row = await store.settle(
                claimed.row,
                event,
                audit=evidence(claimed.row, event),
                now=NOW,
                fence=claimed.fence,
                receipt=values.receipt_for(claimed.row),
            )
            say("delivered", row.message_id)


async def main(case: str, folder: str, first: int) -> None:
    values = StoreValues(numbers=itertools.count(first))
    async with CASES[case](Path(folder)).opened() as store:
        await store.recover(now=NOW)
        async with asyncio.TaskGroup() as group:
            for job in (submit, submit, receive, receive, dispatch):
                group.create_task(job(store, values))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
