"""The ways out of a node, from its settings."""

from urllib.parse import urlsplit

from gateway.app.desk import key_files
from gateway.channels import BackendRouter, Endpoint, HttpsPartnerChannel, Timeouts, WebhookBackend
from gateway.domain.ids import PartyId
from gateway.domain.retry import RetryPolicy
from gateway.errors import ConfigurationError
from gateway.ports import BackendChannel, Clock
from gateway.settings import Backend, NodeSettings
from gateway.settings.kinds import is_loopback
from gateway.trust import PartnerGate, plain_client_context


class Backends(BackendRouter):
    """The back end of each of our parties, closable together."""

    def __init__(self, webhooks: dict[PartyId, WebhookBackend]) -> None:
        channels: dict[PartyId, BackendChannel] = dict(webhooks)
        super().__init__(channels)
        self._webhooks = webhooks

    async def close(self) -> None:
        """Close every connection."""
        for webhook in self._webhooks.values():
            await webhook.close()


def open_partner_channel(settings: NodeSettings, gate: PartnerGate, *, clock: Clock) -> HttpsPartnerChannel:
    """Return the channel to all partners. Our first party shows its certificate. Raises TrustError."""
    identity = key_files(settings.parties[0].tls)
    endpoints = {
        partner.id: Endpoint(
            url=partner.url,
            tls=gate.client_context(identity, partner.id),
            allow_private=partner.allow_private,
            allow_loopback=is_loopback(urlsplit(partner.url).hostname or ""),
        )
        for partner in settings.partners
    }
    longest = max((partner.timeout for partner in settings.partners), default=Timeouts().total)
    connections = max((partner.connections for partner in settings.partners), default=4)
    return HttpsPartnerChannel(endpoints, clock=clock, timeouts=Timeouts(total=longest), connections=connections)


def open_backends(settings: NodeSettings, *, clock: Clock) -> Backends:
    """Return the webhooks of our parties. Raises ConfigurationError for a secret that is none."""
    return Backends(
        {
            party.id: _webhook(party.backend, settings, clock=clock)
            for party in settings.parties
            if party.backend is not None
        }
    )


def hand_over_retries(settings: NodeSettings) -> dict[PartyId, RetryPolicy]:
    """Return how often and how long after each other a hand-over to each back end is tried."""
    return {
        party.id: RetryPolicy(
            first_wait=party.backend.first_wait, cap=party.backend.cap, attempts=party.backend.attempts
        )
        for party in settings.parties
        if party.backend is not None
    }


def _webhook(backend: Backend, settings: NodeSettings, *, clock: Clock) -> WebhookBackend:
    plain = urlsplit(backend.url).scheme == "http"
    endpoint = Endpoint(
        url=backend.url,
        tls=None if plain else plain_client_context(backend.trust_roots or settings.trust.roots),
        allow_private=True,
        allow_loopback=True,
        insecure_plain_http=plain,
    )
    try:
        secrets = backend.secret_file.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            "config.invalid", f"{backend.secret_file} can not be read as a webhook secret"
        ) from error
    return WebhookBackend(endpoint, secrets=secrets, clock=clock, timeouts=Timeouts(total=backend.timeout))
