"""What this node says of itself to partners, signed: its capabilities, and that it is there."""

from datetime import datetime, timedelta
from typing import Any, Final

from gateway import __version__
from gateway.app.rulebook import RulesInForce
from gateway.domain import limits
from gateway.domain.ids import PartyId
from gateway.envelope import PROFILE, StatementType, jwk_from_public_key, sign_statement
from gateway.ports import Ids
from gateway.settings import NodeSettings
from gateway.trust import FileTrust

CAPABILITIES_LIFETIME: Final = timedelta(hours=24)


class Statements:
    """Makes signed statements for one own party and one partner. Times are aware; `iat` is in whole seconds."""

    def __init__(self, settings: NodeSettings, rules: RulesInForce, trust: FileTrust, *, ids: Ids) -> None:
        self._settings = settings
        self._rules = rules
        self._trust = trust
        self._ids = ids

    def capabilities(self, issuer: PartyId, audience: PartyId, now: datetime) -> str:
        """Return what `issuer` can receive: keys with validity, crypto profiles, schema sets, limits, version.

        `sequence` grows with time, so that an older statement can be told from a newer one and refused.
        """
        keys = [
            {
                "use": key.use,
                "kid": key.key_id,
                "jwk": jwk_from_public_key(key.public_key),
                "not_before": _seconds(key.not_before),
                "not_after": _seconds(key.not_after),
            }
            for key in self._trust.own_keys(issuer)
        ]
        claims: dict[str, Any] = {
            **self._frame(issuer, audience, now),
            "sequence": _seconds(now),
            "issued": _seconds(now),
            "expires": _seconds(now + CAPABILITIES_LIFETIME),
            "version": __version__,
            "profiles": [PROFILE],
            "keys": keys,
            "schema_sets": {one.id: one.sha256 for one in self._rules.book.sets.values()},
            "limits": {
                "document_bytes": self._settings.documents.max_bytes,
                "envelope_bytes": limits.max_envelope_bytes(self._settings.documents.max_bytes),
                "batch_envelopes": limits.MAX_BATCH_ENVELOPES,
                "batch_bytes": limits.MAX_BATCH_BYTES,
            },
        }
        return sign_statement(StatementType.CAPABILITIES, claims, self._trust.signer(issuer, now))

    def pong(self, issuer: PartyId, audience: PartyId, now: datetime) -> str:
        """Return proof that `issuer` is there and its signing key works."""
        return sign_statement(StatementType.PONG, self._frame(issuer, audience, now), self._trust.signer(issuer, now))

    def _frame(self, issuer: PartyId, audience: PartyId, now: datetime) -> dict[str, Any]:
        return {"iss": issuer, "aud": audience, "iat": _seconds(now), "jti": self._ids.uuid4()}


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
