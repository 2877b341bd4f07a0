"""The three listeners: submission (national systems), partner (mutual TLS), operations (API and console).

Each is a function from what it needs to an aiohttp application; `serve` opens one on an address. A handler parses,
makes one call of the exchange or the store, and renders; nothing here decides anything about a message.
"""

from gateway.web.door import Admits, Door, Route
from gateway.web.operations import OperationsParts, operations_app
from gateway.web.partner import PartnerParts, partner_app
from gateway.web.runner import Listener, serve
from gateway.web.submission import SubmissionParts, submission_app

__all__ = [
    "Admits",
    "Door",
    "Listener",
    "OperationsParts",
    "PartnerParts",
    "Route",
    "SubmissionParts",
    "operations_app",
    "partner_app",
    "serve",
    "submission_app",
]
