"""The places at which a test may break a node on purpose, by the numbers of the fault plan (docs/reliability.md).

Code that passes such a place calls what it was given for it; outside of tests that is `pass_by`. What a point does when
it is armed is not known here. Each point stands at one place of the source (`tests/law/test_failpoints.py`).
"""

from collections.abc import Callable
from enum import StrEnum


class Failpoint(StrEnum):
    """S: on the way of a submission to its partner. R: on the way of a message from a partner to the back end.

    S3 to S5 and R2 to R5 are passed in whatever process does that work: a worker, or with `workers = 0` the node.
    Writing one file passes FILE_WRITTEN to FOLDER_SYNCED once.
    """

    SUBMISSION_IN = "S1"
    SUBMITTER_KNOWN = "S2"
    DOCUMENT_VALID = "S3"
    VIEW_MADE = "S4"
    VIEW_SIGNED = "S5"
    SUBMISSION_WRITTEN = "S6"
    SUBMISSION_COMMITTED = "S7"
    SUBMISSION_ANSWERED = "S8"
    TRANSFER_LEASED = "S9"
    PARTNER_CONNECTED = "S10"
    ENVELOPE_HALF_SENT = "S11"
    ENVELOPE_SENT = "S12"
    RECEIPT_IN = "S13"
    RECEIPT_VERIFIED = "S14"
    RECEIPT_COMMITTED = "S15"
    CHECKPOINTED = "S16"
    KEYS_OPENED_ANEW = "S17"
    PURGED = "S18"
    RECOVERING = "S19"
    STOPPING = "S20"

    MESSAGE_IN = "R1"
    MESSAGE_DECRYPTED = "R2"
    SIGNATURE_VERIFIED = "R3"
    MESSAGE_JUDGED = "R4"
    RECEIPT_SIGNED = "R5"
    MESSAGE_WRITTEN = "R6"
    MESSAGE_COMMITTED = "R7"
    HALF_ANSWERED = "R8"
    ENVELOPE_TAKEN = "R1-later"
    RECEIPT_OWED = "R7-later"
    RECEIPT_GIVEN = "R8-later"
    HAND_OVER_LEASED = "R9"
    FILE_WRITTEN = "R10a"
    FILE_SYNCED = "R10b"
    FILE_RENAMED = "R10c"
    FOLDER_SYNCED = "R10d"
    HAND_OVER_ACKNOWLEDGED = "R11"
    HAND_OVER_COMMITTED = "R12"
    PULL_LEASED = "R9-pull"
    PULL_ACKNOWLEDGED = "R11-pull"
    PULL_COMMITTED = "R12-pull"


Reach = Callable[[Failpoint], None]
"""Called at a failpoint; returns at once unless a test armed that point."""


def pass_by(_point: Failpoint) -> None:
    """Do nothing: what happens at every failpoint unless a test armed one."""
