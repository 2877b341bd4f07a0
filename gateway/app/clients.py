"""Who may call: a valid token of the issuer, of a client this node has registered, with the roles both agree on."""

from gateway.domain.access import Caller, Role
from gateway.errors import AccessError
from gateway.ports import Clock
from gateway.settings import NodeSettings
from gateway.trust import TokenVerifier


class RegisteredClients:
    """Implements `ports.Tokens`. A role counts only if the token carries it and the settings grant it."""

    def __init__(self, settings: NodeSettings, *, clock: Clock) -> None:
        tokens = settings.tokens
        self._verifier = TokenVerifier(jwks=tokens.jwks, issuer=tokens.issuer, audience=tokens.audience)
        self._settings = settings
        self._clock = clock

    def caller(self, authorization: str | None) -> Caller:
        """Return who sent this `Authorization` header.

        Raises AccessError `access.token_missing`, `access.token_invalid`, or `access.forbidden` for a client that is
        not registered here.
        """
        holder = self._verifier.verify(authorization, self._clock.now())
        client = self._settings.client(holder.client)
        if client is None:
            raise AccessError("access.forbidden", "The token is valid, but its client is not registered at this node")
        roles = frozenset(Role(role.value) for role in client.roles if role.value in holder.roles)
        return Caller(client=client.id, roles=roles, parties=client.parties)
