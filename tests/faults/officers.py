"""Documents that a rule of the agreement holds, and officers who release them, however often their gateway dies."""

import asyncio
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from gateway.app.node import DATABASE
from gateway.client import ClientError, OperationsClient
from gateway.demo.layout import AUDIENCE, NodeLayout
from gateway.domain.access import Role
from gateway.domain.ids import ClientId
from gateway.domain.lifecycle import TransferState
from gateway.trust import issue_token
from tests.faults.books import read_states

_OFFICER: Final = ClientId("officer")
_EVERY_SECONDS: Final = 0.1


def hold_other_releases(agreement: Path) -> None:
    """Have a document that names another release of the data model (`Document.held`) wait for an officer."""
    text = agreement.read_text(encoding="utf-8")
    text, count = re.subn("envelope-names-the-release: warn", "envelope-names-the-release: hold", text)
    if count != 1:
        raise ValueError("the agreement does not warn of other releases")
    agreement.write_text(text, encoding="utf-8")


class Officer:
    """An officer of one node, who may act from its next start on."""

    def __init__(self, node: NodeLayout) -> None:
        self._node = node
        with node.config.open("a", encoding="utf-8") as file:
            file.write(f'\n[[clients]]\nid = "{_OFFICER}"\nroles = ["officer"]\n')
        self._token = issue_token(
            node.folder / "tokens",
            issuer=f"urn:wco-gateway:issuer:{node.party}",
            audience=AUDIENCE,
            client=_OFFICER,
            roles=[Role.OFFICER],
            now=datetime.now(UTC),
            lifetime=timedelta(hours=1),
        )

    def waiting(self) -> list[str]:
        """Return the message ids of what is held, as the books have it."""
        transfers = read_states(self._node.data / DATABASE, self._node.party).transfers
        return sorted(message_id for message_id, state in transfers.items() if state == TransferState.HELD)

    async def release_all(self) -> None:
        """Release what is held now. Raises ClientError when the gateway does not answer."""
        async with OperationsClient(self._node.operations_url, self._token) as client:
            held, _ = await client.transfers(state=TransferState.HELD)
            for transfer in held:
                await client.release_transfer(transfer.id, reason="The other release is known to us")

    async def keep_releasing(self) -> None:
        """Release whatever is held until cancelled; a gateway that is dead for a moment is asked again."""
        while True:
            with suppress(ClientError):
                await self.release_all()
            await asyncio.sleep(_EVERY_SECONDS)
