"""What can come of sending to a partner or handing over to a back end. Outcomes are values, matched exhaustively."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptReturned:
    """The partner answered with a statement. Unverified until `check` has looked at it."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportAccepted:
    """The partner took the message (202); its receipt comes later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransientFailure:
    """Try again. `sent`: whether any byte of the message may have left. `connected`: whether the partner was reached
    at all (health counts only attempts in which a connection was tried). `detail` explains it to an operator."""

    code: str
    detail: str
    sent: bool
    connected: bool
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """The store did not give back what was put in, so nothing was tried, and trying again would change nothing."""

    code: str
    detail: str


SendOutcome = ReceiptReturned | TransportAccepted | TransientFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """The back end took responsibility for the message."""


HandOverOutcome = HandedOver | TransientFailure
