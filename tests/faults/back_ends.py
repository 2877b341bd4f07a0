"""Gateways whose back end is a folder or pulls, started with or without a failpoint, and a look at what came of it."""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.app.node import DATABASE
from gateway.audit import AuditEvent
from gateway.demo.layout import AUDIENCE, NodeLayout
from gateway.domain.access import Role
from gateway.domain.ids import ClientId
from gateway.failpoints import VARIABLE
from gateway.trust import issue_token
from tests.faults.books import OF_NOTICES, read_books
from tests.faults.history import ARRIVES_WITHIN, Answer
from tests.faults.traffic import SAMPLES, Clients, Document
from tests.faults.until import until
from tests.world import FR, GB, TwoGateways

_FETCHER = ClientId("fetcher")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What a reader finds of one message: the sidecar's members and the document's bytes."""

    told: dict[str, Any]
    document: bytes
    sidecar: bytes


class DropFolder:
    """The folder of FR's back end. A reader sees the names that do not begin with a dot."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> set[str]:
        """Return all names, temporary ones too."""
        return {file.name for file in self.path.iterdir()}

    def pairs(self) -> dict[str, Pair]:
        """Return what is ready, by message id."""
        return {pair.told["message_id"]: pair for pair in map(self._pair, self.path.glob("[!.]*.json"))}

    def _pair(self, file: Path) -> Pair:
        told = json.loads(file.read_bytes())
        return Pair(told=told, document=(self.path / told["document_file"]).read_bytes(), sidecar=file.read_bytes())

    def parts(self) -> list[str]:
        """Return the files under a final name that are not whole, and sidecars without their document.

        A whole document ends where its root element does; a whole sidecar names the bytes that belong to it.
        """
        found = [file.name for file in self.path.glob("[!.]*.xml") if not _is_whole(file.read_bytes())]
        for file in self.path.glob("[!.]*.json"):
            try:
                pair = self._pair(file)
            except (ValueError, OSError):
                found.append(file.name)
                continue
            if hashlib.sha256(pair.document).hexdigest() != pair.told["document_sha256"]:
                found.append(file.name)
        return sorted(found)


def _is_whole(document: bytes) -> bool:
    root = re.search(rb"<([\w:]+)[ >]", document)
    return root is not None and document.rstrip().endswith(b"</" + root[1] + b">")


def hand_over_by_folder(node: NodeLayout, folder: Path) -> DropFolder:
    """Have `node` hand over by files in `folder`, and let it be broken on purpose."""
    folder.mkdir()
    choose_backend(node, f'kind = "folder"\npath = {json.dumps(str(folder))}\nfirst_wait = "200ms"\ncap = "1s"\n')
    return DropFolder(folder)


def hand_over_by_pull(node: NodeLayout) -> str:
    """Have the back end of `node` pull, and let the node be broken on purpose. Return the token of the back end."""
    choose_backend(node, 'kind = "pull"\nlease = "60s"\nfirst_wait = "200ms"\ncap = "1s"\n')
    with node.config.open("a", encoding="utf-8") as file:
        file.write(f'\n[[clients]]\nid = "{_FETCHER}"\nroles = ["backend"]\nparties = ["{node.party}"]\n')
    return issue_token(
        node.folder / "tokens",
        issuer=f"urn:wco-gateway:issuer:{node.party}",
        audience=AUDIENCE,
        client=_FETCHER,
        roles=[Role.BACKEND],
        now=datetime.now(UTC),
        lifetime=timedelta(hours=1),
    )


def choose_backend(node: NodeLayout, lines: str) -> None:
    """Put `lines` in the place of the settings of a node's back end, and let it be broken on purpose."""
    text = node.config.read_text(encoding="utf-8")
    chosen = f"[parties.backend]\n{lines}\n"
    text, count = re.subn(r"\[parties\.backend\]\n.*?\n\n", lambda _: chosen, text, flags=re.DOTALL)
    assert count == 1
    node.config.write_text(f"insecure_failpoints = true\n{text}", encoding="utf-8")


@dataclass(kw_only=True)
class FolderRun:
    """FR hands over by folder; GB submits."""

    gateways: TwoGateways
    clients: Clients
    folder: DropFolder

    async def start_fr(self, failpoint: str = "") -> None:
        """Start FR's gateway, with a failpoint if one is named."""
        await self.gateways.fr.process.start(environment={VARIABLE: failpoint})

    async def submit(self, marker: str) -> Answer:
        """Have GB submit one document."""
        return await self.clients.submit(Document(marker=marker, sample=SAMPLES[0], sender=GB, recipient=FR))

    def state(self, message_id: str) -> str:
        """Return where the hand-over stands in the books."""
        return read_books(self.gateways.fr.layout.data / DATABASE, FR).hand_overs.get(message_id, "")

    async def handed_over(self, message_id: str) -> bool:
        """Wait until the books say so, and return whether they did in time."""
        return await until(lambda: self.state(message_id) == "HANDED_OVER", within=ARRIVES_WITHIN)

    def events(self, message_id: str) -> list[AuditEvent]:
        """Return FR's evidence about one message and its hand-over."""
        found = [record.entry for record in read_books(self.gateways.fr.layout.data / DATABASE, FR).records]
        return [one.event for one in found if one.message_id == message_id and one.event not in OF_NOTICES]
