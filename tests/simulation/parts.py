"""What all simulations of one process share: keys, rules, desks and an empty database, made once.

The agreement is the bundled example with short waits and few attempts, so that dead letters come about in minutes of
virtual time. Desks are real and laid out once: a crash of a node does not change what its files say.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from gateway.app import Rulebook, Snapshot, lay_desk, rulebook_of
from gateway.app.desk import open_sealer, open_trust
from gateway.bundled import schema_folder
from gateway.demo.layout import copy_agreement, lay_out
from gateway.domain.ids import ConversationId, MessageId, PartyId, SubmissionId, TransferId
from gateway.domain.jobs import PreparedSubmission, PrepareJob, Slot
from gateway.envelope import payload_of
from gateway.exchange.desk import Desk, transfer_row
from gateway.exchange.prepare import prepare
from gateway.ports import Sealer
from gateway.settings import NodeSettings, load_configuration
from gateway.storage.sqlite.store import prepare_file
from gateway.trust import FileTrust
from tests.simulation.chance import START, NodeClock

GB: Final = PartyId("GB-HMRC")
FR: Final = PartyId("FR-DGDDI")
PARTIES: Final = (GB, FR)

SAMPLES: Final = {
    "import-minimal.xml": "SAMPLE-IM-0003",
    "cancellation-bare.xml": "26XA00000000000014",
}
"""Tiny documents, and what stands in each for its reference."""

MARK: Final = "26XM00000000000000"
LEASE: Final = timedelta(seconds=15)
_UUID7: Final = "019d0000-0000-7000-8000-000000000001"


@dataclass(slots=True)
class TrustClock:
    """The clock by which a party's trust judges revocation lists. Each simulation puts its own in."""

    clock: NodeClock | None = None

    def now(self) -> datetime:
        """Return the time at this party's node, or the beginning while none runs."""
        return START if self.clock is None else self.clock.now()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyParts:
    """What one party's node is made of."""

    settings: NodeSettings
    rulebook: Rulebook
    desk: Desk
    trust: FileTrust
    sealer: Sealer
    trust_clock: TrustClock
    public_key: EllipticCurvePublicKey

    def giving_later(self) -> "PartyParts":
        """Return the same of a node that answers its partners with 202."""
        partners = tuple(replace(one, receipts="later") for one in self.settings.partners)
        return replace(self, settings=replace(self.settings, partners=partners))

    def living(self, seconds: int) -> "PartyParts":
        """Return the same with agreements by which a message lives so long."""
        lifetime = timedelta(seconds=seconds)
        agreements = tuple(replace(one, message_lifetime=lifetime) for one in self.rulebook.agreements)
        return replace(self, rulebook=replace(self.rulebook, agreements=agreements))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """`empty`: a database file with tables and nothing in them. `views`: what leaves of each sample, with MARK where
    its reference stands."""

    parties: Mapping[PartyId, PartyParts]
    empty: Path
    views: Mapping[str, bytes]
    folder: TemporaryDirectory[str] = field(repr=False)


@cache
def parts() -> Parts:
    """Return the parts, made at the first call of a process."""
    folder = TemporaryDirectory(prefix="simulation-")
    home = Path(folder.name)
    agreements = copy_agreement("gb-fr", home / "config")
    file = agreements / "gb-fr.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r"cap: \S+", "cap: 20s\n  attempts: 3", text), encoding="utf-8")
    world = lay_out(home, PARTIES, agreements=agreements, now=START, workers=0)
    parties = {party: _party(node.config, party) for party, node in world.nodes.items()}
    empty = home / "empty.db"
    empty.touch(mode=0o600)
    prepare_file(empty)
    views = {sample: _view(document(sample, MARK), parties[GB].desk) for sample in SAMPLES}
    return Parts(parties=parties, empty=empty, views=views, folder=folder)


def _party(config: Path, party: PartyId) -> PartyParts:
    configuration = load_configuration(config)
    timing = replace(configuration.node.timing, lease=LEASE, poll=timedelta(seconds=4), sweep=timedelta(seconds=6))
    own = replace(configuration.node.parties[0].backend, attempts=3)  # type: ignore[type-var]  # a webhook's settings
    ours = replace(configuration.node.parties[0], backend=own)
    settings = replace(configuration.node, timing=timing, parties=(ours,))
    rulebook = rulebook_of(configuration)
    clock = TrustClock()
    trust, sealer = open_trust(settings, clock=clock.now), open_sealer(settings)
    desk = replace(lay_desk(Snapshot(generation=1, settings=settings, rulebook=rulebook)), trust=trust, sealer=sealer)
    certificate = x509.load_pem_x509_certificate(settings.parties[0].signing[0].certificate.read_bytes())
    key = certificate.public_key()
    assert isinstance(key, EllipticCurvePublicKey)
    return PartyParts(
        settings=settings,
        rulebook=rulebook,
        desk=desk,
        trust=trust,
        sealer=sealer,
        trust_clock=clock,
        public_key=key,
    )


@cache
def _text(sample: str) -> str:
    text = (schema_folder() / "samples" / "valid" / sample).read_text(encoding="utf-8")
    assert SAMPLES[sample] in text
    return text


def document(sample: str, marker: str) -> bytes:
    """Return a sample that tells itself apart by `marker`."""
    return _text(sample).replace(SAMPLES[sample], marker).encode()


def _view(body: bytes, desk: Desk) -> bytes:
    """Return what leaves of a document for FR."""
    slot = Slot(
        transfer_id=TransferId(_UUID7),
        message_id=MessageId(_UUID7),
        conversation=ConversationId("6f0e6d1c-3a55-4c3e-9a77-0d8d6a1f0c11"),
        sequence=1,
        nonce=bytes(16),
    )
    job = PrepareJob(
        submission_id=SubmissionId(_UUID7),
        body=body,
        sender=GB,
        client="quiet",
        slots={FR: slot},
        conversation_key=None,
        in_reply_to=None,
        now=START,
    )
    made = prepare(job, desk)
    assert isinstance(made, PreparedSubmission), made
    sealed = made.transfers[0].sealed
    return payload_of(desk.sealer.unseal(sealed, row=transfer_row(TransferId(_UUID7))))
