"""TLS between gateways: contexts for both sides, and the question whom a certificate names, asked on every request.

TLS 1.3 only, both sides present a certificate, only agreed roots, no session tickets (a resumed session would skip the
client certificate). OpenSSL checks path, dates and host name in the handshake; Python's `ssl` lets a client certificate
without extended key usage pass and knows no party, and a context can gain trust while running but never lose it. So
what OpenSSL accepted is examined here again: path to that party's own roots, extended key usage, SAN URI or pin, and
fresh revocation lists. This check is the law; the handshake is a first fence.

The client examines the server with SSL objects of its own: `do_handshake` ends with the check and `write` begins with
it, so no byte of a message leaves for a server that was not examined just then, on a new connection or a pooled one.
It fails as an `ssl.SSLCertVerificationError` whose `__cause__` is our error.
"""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509

from gateway.domain.ids import PartyId
from gateway.errors import AccessError, ChannelError, GatewayError, TrustError
from gateway.trust.certificates import (
    PARTY_URI_PREFIX,
    Purpose,
    build_path,
    check_usage,
    party_uri,
    read_certificates,
    san_uris,
    spki_sha256,
    to_pem,
)
from gateway.trust.certified import Anchor
from gateway.trust.directory import FileTrust
from gateway.trust.keys import KeyFiles, load_own_key

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["PartnerGate", "plain_client_context", "plain_server_context", "refusal_behind"]

MAX_EXAMINED: Final = 1024

OnRefused = Callable[[GatewayError], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Examined:
    """A certificate that passed, as long as the lists do not change and the path stays valid."""

    party: PartyId
    path: tuple[x509.Certificate, ...]
    generation: int

    def holds(self, generation: int, now: datetime) -> bool:
        return generation == self.generation and all(
            one.not_valid_before_utc <= now <= one.not_valid_after_utc for one in self.path
        )


class PartnerGate:
    """Implements ports.Peers: knows partners by their TLS certificates, and makes the contexts of both sides."""

    def __init__(self, trust: FileTrust, *, clock: Callable[[], datetime]) -> None:
        """`clock` returns aware UTC time; it judges the server in a client's handshake."""
        self._trust = trust
        self._clock = clock
        self._examined: dict[tuple[bytes, Purpose], _Examined] = {}

    def party_of(self, certificate: bytes | None, now: datetime) -> PartyId:
        """Return the partner whom a client certificate (DER) names. To be asked on every request; it is cheap.

        Raises AccessError `access.certificate_missing`, `access.certificate_refused`; TrustError `trust.crl_stale`.
        """
        if not certificate:
            raise AccessError("access.certificate_missing")
        try:
            return self._named_by(certificate, Purpose.TLS_CLIENT, now)
        except TrustError as error:
            if error.code != "trust.certificate_invalid":
                raise
            raise AccessError("access.certificate_refused", error.detail) from error

    def check_server(self, connection: ssl.SSLObject | ssl.SSLSocket | None, expected: PartyId, now: datetime) -> None:
        """Return when the other end of a connection is the gateway of `expected`.

        Raises ChannelError `channel.tls_refused`; TrustError `trust.crl_stale`.
        """
        der = connection.getpeercert(binary_form=True) if connection is not None else None
        if not der:
            raise ChannelError("channel.tls_refused", "the server showed no certificate")
        try:
            party = self._named_by(der, Purpose.TLS_SERVER, now)
        except TrustError as error:
            if error.code != "trust.certificate_invalid":
                raise
            raise ChannelError("channel.tls_refused", f"the server's certificate: {error.detail}") from error
        if party != expected:
            raise ChannelError("channel.tls_refused", f"the server is the gateway of {party}, not of {expected}")

    def server_context(self, identity: KeyFiles, *, on_refused: OnRefused | None = None) -> ssl.SSLContext:
        """Return the partner listener's context. `on_refused` hears of clients that the handshake itself turned away.

        Raises TrustError for our own key or certificate.
        """
        context = _context(ssl.PROTOCOL_TLS_SERVER, identity, Purpose.TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
        _trust_only(context, [one for anchor in self._trust.anchors.values() for one in _authorities(anchor)])
        if on_refused is not None:
            context.sslobject_class = _reporting(on_refused)
        return context

    def client_context(self, identity: KeyFiles, partner: PartyId) -> ssl.SSLContext:
        """Return the context for connections to one partner's gateway and to nobody else's.

        Raises TrustError `trust.key_unknown` when `partner` is none, or for our own key or certificate.
        """
        anchor = self._trust.anchors.get(partner)
        if anchor is None:
            raise TrustError("trust.key_unknown", f"{partner} is not a partner")
        context = _context(ssl.PROTOCOL_TLS_CLIENT, identity, Purpose.TLS_CLIENT)
        _trust_only(context, _authorities(anchor))
        context.sslobject_class = _checking(lambda one: self.check_server(one, partner, self._clock()))
        return context

    def _named_by(self, der: bytes, purpose: Purpose, now: datetime) -> PartyId:
        revocation = self._trust.revocation
        revocation.refresh()
        known = self._examined.get((der, purpose))
        if known is None or not known.holds(revocation.generation, now):
            known = self._examine(der, purpose, now)
        revocation.require_fresh(known.path, now)
        if len(self._examined) >= MAX_EXAMINED:
            self._examined.clear()
        self._examined[der, purpose] = known
        return known.party

    def _examine(self, der: bytes, purpose: Purpose, now: datetime) -> _Examined:
        # 1. It is a certificate at all.
        try:
            leaf = x509.load_der_x509_certificate(der)
        except ValueError as error:
            raise TrustError("trust.certificate_invalid", "the certificate can not be read") from error
        # 2. It names exactly one partner.
        anchor = self._anchor_of(leaf)
        # 3. It chains, today, to a root agreed for that very partner.
        path = build_path(leaf, roots=anchor.roots, intermediates=anchor.intermediates, at=now)
        # 4. It may do what it is doing.
        check_usage(leaf, purpose)
        # 5. Nobody revoked it or what stands above it, whatever the reason, as lists that are fresh say.
        revocation = self._trust.revocation
        revocation.require_fresh(path, now)
        if revocation.standing(path).revoked:
            raise TrustError("trust.certificate_invalid", "the certificate was revoked")
        return _Examined(party=anchor.party, path=path, generation=revocation.generation)

    def _anchor_of(self, leaf: x509.Certificate) -> Anchor:
        uris = san_uris(leaf)
        pin = spki_sha256(leaf)
        anchors = self._trust.anchors.values()
        found = [one for one in anchors if (pin in one.pins if one.pins else one.uri in uris)]
        if not found:
            raise TrustError("trust.certificate_invalid", "the certificate names no partner of this gateway")
        named = {uri for uri in uris if uri.startswith(PARTY_URI_PREFIX)}
        if len(found) > 1 or named - {found[0].uri, party_uri(found[0].party)}:
            raise TrustError("trust.certificate_invalid", "the certificate names more than one party")
        return found[0]


def plain_server_context(identity: KeyFiles) -> ssl.SSLContext:
    """Return the context of a listener whose clients show tokens, not certificates. Raises TrustError."""
    return _context(ssl.PROTOCOL_TLS_SERVER, identity, Purpose.TLS_SERVER)


def plain_client_context(roots: Path) -> ssl.SSLContext:
    """Return the context of a client that shows no certificate and trusts only `roots` (PEM)."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT, None, Purpose.TLS_CLIENT)
    _trust_only(context, read_certificates(roots))
    return context


def refusal_behind(error: BaseException | None) -> GatewayError | None:
    """Return our error that a library wrapped into its own, following the chain of causes; or None."""
    while error is not None:
        if isinstance(error, GatewayError):
            return error
        error = error.__cause__
    return None


def _context(protocol: int, identity: KeyFiles | None, purpose: Purpose) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_TRUSTED_FIRST
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0
    if identity is not None:
        load_own_key(identity, purpose)
        try:
            context.load_cert_chain(identity.certificate, identity.key)
        except (ssl.SSLError, OSError) as error:
            raise TrustError("trust.key_unreadable", f"{identity.certificate} can not be used for TLS") from error
    return context


def _authorities(anchor: Anchor) -> tuple[x509.Certificate, ...]:
    return (*anchor.roots, *anchor.intermediates)


def _trust_only(context: ssl.SSLContext, authorities: Sequence[x509.Certificate]) -> None:
    # Without X509_V_FLAG_PARTIAL_CHAIN an intermediate helps to build a path but ends none.
    unique = list(dict.fromkeys(authorities))
    if unique:
        context.load_verify_locations(cadata=to_pem(unique).decode("ascii"))


def _checking(check: Callable[[ssl.SSLObject], None]) -> type[ssl.SSLObject]:
    def verify(connection: ssl.SSLObject) -> None:
        try:
            check(connection)
        except GatewayError as refusal:
            error = ssl.SSLCertVerificationError(1, str(refusal))
            error.verify_code, error.verify_message = 1, refusal.detail
            raise error from refusal

    class CheckedObject(ssl.SSLObject):
        """A client's end of a connection: no handshake is done, and no byte is taken to send, before the check."""

        def do_handshake(self) -> None:
            super().do_handshake()
            verify(self)

        def write(self, data: "ReadableBuffer") -> int:
            verify(self)
            return super().write(data)

    return CheckedObject


# The handshake goes on, or the client went away.
_NOT_A_REFUSAL: Final = (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


def _refusal_of(reason: str) -> GatewayError | None:
    """Return what OpenSSL's reason means, or None when it was the client that refused us (an alert)."""
    if reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return AccessError("access.certificate_missing")
    if "ALERT" in reason:
        return None
    return ChannelError("channel.tls_refused", f"the client does not speak TLS 1.3 as agreed ({reason.lower()})")


def _reporting(on_refused: OnRefused) -> type[ssl.SSLObject]:
    class ReportingObject(ssl.SSLObject):
        """A server's end of a connection; tells of clients that OpenSSL turned away in the handshake."""

        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except ssl.SSLCertVerificationError as error:
                on_refused(AccessError("access.certificate_refused", error.verify_message))
                raise
            except _NOT_A_REFUSAL:
                raise
            except ssl.SSLError as error:
                refusal = _refusal_of(error.reason or "")
                if refusal is not None:
                    on_refused(refusal)
                raise

    return ReportingObject
