"""The ways out: to a partner's gateway over HTTPS, to a back end by webhook or folder. Adapters of ports."""

from gateway.channels.endpoint import Endpoint, Timeouts
from gateway.channels.folder import FolderBackend
from gateway.channels.partner import HttpsPartnerChannel
from gateway.channels.webhook import BackendRouter, WebhookBackend

__all__ = ["BackendRouter", "Endpoint", "FolderBackend", "HttpsPartnerChannel", "Timeouts", "WebhookBackend"]
