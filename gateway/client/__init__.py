"""A typed asynchronous client of the submission and operations APIs; the CLI, the demo and the tests use it.

    async with SubmissionClient("https://gateway.example:8443", token, tls) as client:
        submission = await client.submit(document, to=[PartyId("FR-DGDDI")])

Every refusal is a ClientError with the stable code and the problem (RFC 9457).
"""

from gateway.client.acts import ReleasedMany, RequeuedMany, SupersededMessage
from gateway.client.bulk import NewSubmission, in_requests
from gateway.client.connection import ClientError
from gateway.client.holds import Approval, Hold, OperatorsHold
from gateway.client.inbox import InboxClient, LeasedMessage, SettledMessage
from gateway.client.operations import OperationsClient
from gateway.client.results import (
    Answer,
    AnyTransfer,
    Attempt,
    Event,
    InboxDetail,
    InboxMessage,
    Notice,
    OwedNotice,
    Partner,
    Receipt,
    Submission,
    SubmittedTransfer,
    Transfer,
    TransferDetail,
)
from gateway.client.submission import SubmissionClient

__all__ = [
    "Answer",
    "AnyTransfer",
    "Approval",
    "Attempt",
    "ClientError",
    "Event",
    "Hold",
    "InboxClient",
    "InboxDetail",
    "InboxMessage",
    "LeasedMessage",
    "NewSubmission",
    "Notice",
    "OperationsClient",
    "OperatorsHold",
    "OwedNotice",
    "Partner",
    "Receipt",
    "ReleasedMany",
    "RequeuedMany",
    "SettledMessage",
    "Submission",
    "SubmissionClient",
    "SubmittedTransfer",
    "SupersededMessage",
    "Transfer",
    "TransferDetail",
    "in_requests",
]
