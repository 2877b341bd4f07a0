"""Look at the statement a partner sent about one message. Pure; runs in a worker.

A receipt or a notice counts only if the partner's own valid key signed it and it is bound to this message's id and
digest; a problem only if it is bound to the envelope that was sent. Anything else is as if nothing had been said.
"""

from gateway.domain.jobs import (
    CheckAskedJob,
    CheckAskedResult,
    CheckJob,
    CheckNoticeJob,
    CheckNoticeResult,
    CheckResult,
)
from gateway.domain.limits import MAX_CLOCK_SKEW
from gateway.domain.statement import Notice, Receipt
from gateway.envelope import (
    StatementType,
    statement_type,
    verify_not_seen,
    verify_notice,
    verify_problem,
    verify_receipt,
)
from gateway.errors import EnvelopeError, GatewayError
from gateway.exchange.desk import Desk


def check(job: CheckJob, desk: Desk) -> CheckResult:
    """Return the verified receipt or problem, or the error that keeps it from being believed."""
    try:
        return _receipt(job, desk)
    except GatewayError as error:
        # Nearly every answer is a receipt, so what else it may be is asked only now.
        if error.facts.get("cause") != "envelope.type_refused":
            return error
        return _another(job, error, desk)


def _another(job: CheckJob, error: GatewayError, desk: Desk) -> CheckResult:
    """Return the verified problem, or `error` for a statement that is neither that nor a receipt."""
    try:
        return _check_problem(job, desk) if statement_type(job.token) is StatementType.PROBLEM else error
    except GatewayError as broken:
        return broken


def _receipt(job: CheckJob | CheckAskedJob, desk: Desk) -> Receipt:
    return verify_receipt(
        job.token,
        verification_key=desk.trust.verification_key,
        issuer=job.recipient,
        audience=job.sender,
        message_id=job.message_id,
        digest=job.digest,
        now=job.now,
    )


def _check_problem(job: CheckJob, desk: Desk) -> CheckResult:
    if job.envelope_sha256 is None:
        raise EnvelopeError("receipt.not_bound", "A problem was sent where a receipt was expected")
    return verify_problem(
        job.token,
        verification_key=desk.trust.verification_key,
        issuer=job.recipient,
        audience=job.sender,
        envelope_sha256=job.envelope_sha256,
        now=job.now,
    )


def check_asked(job: CheckAskedJob, desk: Desk) -> CheckAskedResult:
    """Return the verified receipt or `not_seen` that a partner answered, or why it can not be believed."""
    try:
        if statement_type(job.token) is StatementType.NOT_SEEN:
            return verify_not_seen(
                job.token,
                verification_key=desk.trust.verification_key,
                issuer=job.recipient,
                audience=job.sender,
                message_id=job.message_id,
                now=job.now,
            )
        return _receipt(job, desk)
    except GatewayError as error:
        return error


def check_notice(job: CheckNoticeJob, desk: Desk) -> CheckNoticeResult:
    """Return the verified notice, or the error that keeps it from being believed."""
    try:
        return _check_notice(job, desk)
    except GatewayError as error:
        return error


def _check_notice(job: CheckNoticeJob, desk: Desk) -> Notice:
    notice = verify_notice(
        job.token,
        verification_key=desk.trust.verification_key,
        issuer=job.recipient,
        audience=job.sender,
        message_id=job.message_id,
        digest=job.digest,
        now=job.now,
    )
    if notice.handed_over < job.created - MAX_CLOCK_SKEW:
        raise EnvelopeError("notice.invalid", "The message was handed over before it was made")
    return notice
