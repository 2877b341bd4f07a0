"""What a worker process has open on its desk: rules compiled once, keys, and nothing that changes.

`app` lays the desk out from a frozen snapshot; a reload starts new workers with a new desk. A desk belongs to one
thread: lxml's schema objects must not be shared (another thread's error text would show up in a refusal).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain.failpoint import Reach, pass_by
from gateway.domain.ids import PartyId, SchemaSetId
from gateway.domain.limits import DocumentLimits
from gateway.policy import CompiledPolicy
from gateway.ports import Agreements, PseudonymKeys, Sealer, Trust
from gateway.schema import CompiledProfile, CompiledSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Rules and keys for the four jobs. `own`: the parties this node speaks for.

    `pseudonyms` None: the node has no secret for them, and no policy it sends under asks for any.
    `policies` by their SHA-256; `profiles` by schema set and their SHA-256, without an entry where a flow has none.
    """

    own: frozenset[PartyId]
    limits: DocumentLimits
    agreements: Agreements
    sets: Mapping[SchemaSetId, CompiledSet]
    policies: Mapping[str, CompiledPolicy]
    trust: Trust
    sealer: Sealer
    pseudonyms: PseudonymKeys | None = None
    profiles: Mapping[tuple[SchemaSetId, str], CompiledProfile] = field(default_factory=dict)
    reach: Reach = pass_by


def submission_row(submission_id: str) -> str:
    """Name the row of a sealed original (associated data of its encryption)."""
    return f"submission:{submission_id}"


def transfer_row(transfer_id: str) -> str:
    """Name the row of a transfer's sealed JWS."""
    return f"transfer:{transfer_id}"


def held_view_row(transfer_id: str) -> str:
    """Name the row of a transfer's sealed, unsigned view. Another name than that of a JWS: neither passes for the
    other."""
    return f"held:{transfer_id}"


def inbox_row(sender: str, message_id: str) -> str:
    """Name the row of a received message's sealed JWS."""
    return f"inbox:{sender}:{message_id}"


def reference_row(owner: str, kind: str) -> str:
    """Name the row of a sealed reference. `owner`: the submission id, or the message id of a received message."""
    return f"reference:{owner}:{kind}"
