"""The ways out: to a partner's gateway over HTTPS, to a back end by webhook. Adapters of the channel ports."""

from gateway.channels.endpoint import Endpoint, Timeouts
from gateway.channels.partner import HttpsPartnerChannel
from gateway.channels.webhook import BackendRouter, WebhookBackend

__all__ = ["BackendRouter", "Endpoint", "HttpsPartnerChannel", "Timeouts", "WebhookBackend"]
