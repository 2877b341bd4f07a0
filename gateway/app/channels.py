"""The ways out of a node, from its settings."""

from collections.abc import Mapping
from datetime import timedelta
from typing import assert_never
from urllib.parse import urlsplit

from gateway.app.desk import key_files
from gateway.channels import (
    BackendRouter,
    Endpoint,
    FolderBackend,
    HttpsPartnerChannel,
    Timeouts,
    WebhookBackend,
)
from gateway.domain.failpoint import Reach, pass_by
from gateway.domain.ids import PartyId
from gateway.domain.retry import RetryPolicy
from gateway.errors import ConfigurationError
from gateway.ports import BackendChannel, Clock
from gateway.settings import DropFolder, NodeSettings, PullInbox, Webhook
from gateway.settings.kinds import is_loopback
from gateway.trust import PartnerGate, plain_client_context


class Backends(BackendRouter):
    """The back ends that we call or write to, to be started and closed together. `parties`: whose they are."""

    def __init__(self, webhooks: Mapping[PartyId, WebhookBackend], folders: Mapping[PartyId, FolderBackend]) -> None:
        channels: dict[PartyId, BackendChannel] = {**webhooks, **folders}
        super().__init__(channels)
        self._webhooks = webhooks
        self._folders = folders
        self.parties = frozenset(channels)

    async def start(self) -> None:
        """Clean up after a process that was killed. Not for a check while another process serves."""
        for folder in self._folders.values():
            await folder.start()

    async def close(self) -> None:
        """Close every connection, and take no more files."""
        for webhook in self._webhooks.values():
            await webhook.close()
        for folder in self._folders.values():
            await folder.close()


def open_partner_channel(
    settings: NodeSettings, gate: PartnerGate, *, clock: Clock, reach: Reach = pass_by
) -> HttpsPartnerChannel:
    """Return the channel to all partners. Our first party shows its certificate. Raises TrustError."""
    identity = key_files(settings.parties[0].tls)
    endpoints = {
        partner.id: Endpoint(
            url=partner.url,
            tls=gate.client_context(identity, partner.id),
            allow_private=partner.allow_private,
            allow_loopback=is_loopback(urlsplit(partner.url).hostname or ""),
            timeouts=Timeouts(total=partner.timeout),
            connections=partner.connections,
        )
        for partner in settings.partners
    }
    return HttpsPartnerChannel(endpoints, clock=clock, batch=settings.batches.messages, reach=reach)


def open_backends(settings: NodeSettings, *, clock: Clock, reach: Reach = pass_by) -> Backends:
    """Return the ways to the back ends of our parties.

    Raises ConfigurationError for a secret that is none, and for a folder that can not be used.
    """
    webhooks: dict[PartyId, WebhookBackend] = {}
    folders: dict[PartyId, FolderBackend] = {}
    for party in settings.parties:
        match party.backend:
            case Webhook():
                webhooks[party.id] = _webhook(party.backend, settings, clock=clock)
            case DropFolder():
                folders[party.id] = _folder(party.backend, reach)
            case PullInbox() | None:
                pass  # comes for its messages by itself, or does not
            case _:
                assert_never(party.backend)
    return Backends(webhooks, folders)


def pull_leases(settings: NodeSettings) -> dict[PartyId, timedelta]:
    """Return the parties whose back ends pull, and how long each has to acknowledge a message."""
    return {party.id: party.backend.lease for party in settings.parties if isinstance(party.backend, PullInbox)}


def hand_over_retries(settings: NodeSettings) -> dict[PartyId, RetryPolicy]:
    """Return how often and how long after each other a hand-over to each back end is tried."""
    return {
        party.id: RetryPolicy(
            first_wait=party.backend.first_wait, cap=party.backend.cap, attempts=party.backend.attempts
        )
        for party in settings.parties
        if party.backend is not None
    }


def _folder(backend: DropFolder, reach: Reach) -> FolderBackend:
    mode = int(backend.file_mode, base=8)
    channel = FolderBackend(backend.path, file_mode=mode, timeout=backend.timeout, reach=reach)
    channel.check()
    return channel


def _webhook(backend: Webhook, settings: NodeSettings, *, clock: Clock) -> WebhookBackend:
    plain = urlsplit(backend.url).scheme == "http"
    endpoint = Endpoint(
        url=backend.url,
        tls=None if plain else plain_client_context(backend.trust_roots or settings.trust.roots),
        allow_private=True,
        allow_loopback=True,
        insecure_plain_http=plain,
        timeouts=Timeouts(total=backend.timeout),
    )
    try:
        secrets = backend.secret_file.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            "config.invalid", f"{backend.secret_file} can not be read as a webhook secret"
        ) from error
    return WebhookBackend(endpoint, secrets=secrets, clock=clock, batch=backend.batch)
