"""Who is asking: a caller with roles. Deny by default; a role permits only what a route names."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.ids import ClientId, PartyId


class Role(StrEnum):
    """What a caller may be (see docs/security.md for what each may do)."""

    SUBMITTER = "submitter"
    BACKEND = "backend"
    OPERATOR = "operator"
    OFFICER = "officer"
    AUDITOR = "auditor"
    SECURITY = "security"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A client whose bearer token was checked. `parties`: the parties of ours it is registered for."""

    client: ClientId
    roles: frozenset[Role]
    parties: frozenset[PartyId] = frozenset()
