"""What the console shows beyond the store: documents for those allowed, agreements, keys and when they end.

Documents are unsealed on one thread with a desk of its own, laid out when somebody first looks: schema objects belong
to a thread, and what one person looks at must not hold up requests. One at a time is enough for people.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from gateway.app.desk import Snapshot, lay_desk
from gateway.document import read
from gateway.domain.ids import PartyId
from gateway.domain.records import KeyFacts
from gateway.errors import RequestError
from gateway.exchange.beside import Beside, BesideJob, beside
from gateway.exchange.desk import Desk
from gateway.policy.telling.diff import Diff, diff
from gateway.schema import validate
from gateway.settings import NodeSettings
from gateway.trust import FileTrust
from gateway.trust.certificates import fingerprint, read_certificates


class DocumentDesk:
    """Where documents are opened for people; see `exchange.show`."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._desk: Desk | None = None
        self._laid_out: Snapshot | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="documents")

    async def look(self, job: BesideJob) -> Beside:
        """Return the view beside its original. Raises GatewayError."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._look, job)

    async def try_out(self, raw: bytes, policies: Sequence[str]) -> Diff:
        """Return a document beside the views that policies in force would make of it. Raises GatewayError.

        `policies`: at least one hash; all must be written for one schema set.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._try_out, raw, policies)

    def renew(self, snapshot: Snapshot) -> None:
        """Lay out a desk by another snapshot before the next look."""
        self._snapshot = snapshot

    async def close(self) -> None:
        """Wait for what is being looked at, and let the thread end."""
        await asyncio.to_thread(self._thread.shutdown)

    def _look(self, job: BesideJob) -> Beside:
        return beside(job, self._laid_out_now())

    def _try_out(self, raw: bytes, policies: Sequence[str]) -> Diff:
        desk = self._laid_out_now()
        asked = [desk.policies[one] for one in policies if one in desk.policies]
        if len(asked) < len(policies):
            raise RequestError("request.not_found", "No agreement here names that policy")
        first, *others = asked
        if any(other.schema_set != first.schema_set for other in others):
            detail = "The two directions are for messages of different schema sets. Choose two of one set"
            raise RequestError("request.malformed", detail)
        compiled = desk.sets[first.schema_set]
        return diff(validate(read(raw, desk.limits), compiled), asked, compiled)

    def _laid_out_now(self) -> Desk:
        snapshot = self._snapshot
        if self._desk is None or self._laid_out is not snapshot:
            self._desk, self._laid_out = lay_desk(snapshot), snapshot
        return self._desk


class KnownKeys:
    """The public keys a node knows of each party; of its own parties the TLS certificate too."""

    def __init__(self, settings: NodeSettings, trust: FileTrust) -> None:
        self._trust = trust
        self._tls = {party.id: party.tls.certificate for party in settings.parties}

    def of(self, party: PartyId) -> tuple[KeyFacts, ...]:
        """Return what is known of a party's keys; nothing for a party nobody introduced."""
        found = self._trust.key_facts(party)
        if party not in self._tls:
            return found
        certificate = read_certificates(self._tls[party])[0]
        tls = KeyFacts(
            party=party,
            use="tls",
            key_id=fingerprint(certificate),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            revoked=False,
        )
        return (*found, tls)
