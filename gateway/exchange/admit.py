"""From an envelope as it came in to a receipt, as a value. Pure; runs in a worker; writes nothing.

Three answers are possible, and the difference matters to the sender:

- `Admitted`: everything holds. The receipt becomes true when the store commits it, not before.
- `Refused`: decryption and signature hold, so the refusal is bound to the message digest. Only such a refusal may end
  the sender's transfer. The commit may still overrule it: an id accepted before with this digest gets its stored
  receipt again, whatever has expired, rotated or changed meanwhile.
- `Unopened`: the envelope can not be believed, or no verdict is possible now (a clock, a revocation list). The signed
  problem names only SHA-256 of the JWE and one public code, and the sender tries again.
"""

from dataclasses import replace

from gateway.document import read_unmeasured
from gateway.domain.agreement import Agreement, Flow, OverSharing, check_in_force
from gateway.domain.failpoint import Failpoint
from gateway.domain.jobs import AdmitJob, AdmitResult, Admitted, Refused, Unopened
from gateway.domain.limits import max_envelope_bytes
from gateway.domain.message import DocumentFacts, MessageHeader
from gateway.domain.statement import Problem, Receipt, Verdict
from gateway.envelope import (
    OpenedMessage,
    check_times,
    decrypt_envelope,
    sign_problem,
    sign_receipt,
    verify_message,
)
from gateway.errors import AgreementError, EnvelopeError, GatewayError, PolicyError
from gateway.exchange.desk import Desk, inbox_row
from gateway.exchange.prepare import references_of
from gateway.exchange.steps import Steps, alone
from gateway.policy import inspect
from gateway.schema import validate


def admit(job: AdmitJob, desk: Desk) -> AdmitResult:
    """Return what this envelope is worth. `job.channel_party` is whom the client certificate names."""
    return alone(admit_in_steps(job, desk))


def admit_in_steps(job: AdmitJob, desk: Desk) -> Steps[AdmitResult]:
    """Return what `admit` does, as steps that a batch takes together."""
    try:
        jws, opened = yield from _open(job, desk)
    except GatewayError as error:
        return _unopened(job, error, desk)
    yield
    try:
        facts, over_shared = yield from _judge(opened, job, desk)
    except GatewayError as error:
        if error.retryable:
            return _unopened(job, error, desk)
        receipt = _receipt(job, opened, Verdict.REFUSED, error.public_code)
        return Refused(
            header=opened.header,
            digest=opened.digest,
            error=error,
            receipt=receipt,
            receipt_token=sign_receipt(receipt, desk.trust.signer(receipt.issuer, job.now)),
        )
    desk.reach(Failpoint.MESSAGE_JUDGED)
    yield
    receipt = _receipt(job, opened, Verdict.ACCEPTED, "ok")
    header = opened.header
    token = sign_receipt(receipt, desk.trust.signer(receipt.issuer, job.now))
    desk.reach(Failpoint.RECEIPT_SIGNED)
    yield
    sealed = desk.sealer.seal(jws, row=inbox_row(header.sender, header.message_id))
    yield
    return Admitted(
        header=header,
        digest=opened.digest,
        facts=facts,
        size_bytes=len(opened.payload),
        sealed_message=sealed,
        references=references_of(facts, owner=header.message_id, desk=desk),
        receipt=receipt,
        receipt_token=token,
        over_shared=over_shared,
    )


def _open(job: AdmitJob, desk: Desk) -> Steps[tuple[bytes, OpenedMessage]]:
    """Return the signed message as a token, which is kept as evidence, and what it says."""
    max_bytes = max_envelope_bytes(desk.limits.size_bytes)
    decrypted = decrypt_envelope(job.jwe, ours=desk.own, unwrapper=desk.trust.unwrapper, max_bytes=max_bytes)
    desk.reach(Failpoint.MESSAGE_DECRYPTED)
    yield
    opened = verify_message(decrypted, channel_party=job.channel_party, verification_key=desk.trust.verification_key)
    desk.reach(Failpoint.SIGNATURE_VERIFIED)
    return decrypted.jws, opened


def _judge(opened: OpenedMessage, job: AdmitJob, desk: Desk) -> Steps[tuple[DocumentFacts, tuple[str, ...]]]:
    """Raise what speaks against a message whose signature holds, or return the facts of its document.

    With them come the places that hold more than was agreed, where the agreement takes such a message and alarms.
    """
    header = opened.header
    check_times(header, now=job.now)
    agreement, flow = _agreed(header, desk)
    check_in_force(agreement, job.now)
    limits, agreed = desk.limits, agreement.max_document_bytes
    if agreed < limits.size_bytes:
        limits = replace(limits, size_bytes=agreed)
    document = read_unmeasured(opened.payload, limits)
    yield
    if document.facts.kind != header.kind:
        raise EnvelopeError("envelope.header_disagrees", "The signed header names another message kind")
    yield
    valid = validate(document, desk.sets[flow.schema_set])
    yield
    try:
        inspect(valid, desk.policies[flow.policy_sha256])
    except PolicyError as error:
        if agreement.over_shared is OverSharing.REFUSE or error.code != "policy.over_shared":
            raise
        return document.facts, tuple(map(str, error.facts["paths"]))
    return document.facts, ()


def _agreed(header: MessageHeader, desk: Desk) -> tuple[Agreement, Flow]:
    """Return our copy of the agreement that the header names, if it is the same text in every respect."""
    agreement = desk.agreements.version(header.agreement.id, header.agreement.version)
    if agreement.sha256 != header.agreement.sha256:
        raise AgreementError(
            "agreement.mismatch",
            f"Agreement {agreement.id} version {agreement.version} is not the same text on both sides",
        )
    flow = agreement.flow(header.sender, header.recipient, header.kind)
    if flow is None:
        raise AgreementError("agreement.kind_not_covered")
    named = (header.schema_set, header.schema_set_sha256, header.policy_sha256, header.terms)
    agreed = (flow.schema_set, flow.schema_set_sha256, flow.policy_sha256, agreement.terms)
    # A longer life than agreed would also stretch the use of a retired signing key.
    if named != agreed or header.expires - header.created != agreement.message_lifetime:
        raise EnvelopeError("envelope.header_disagrees", "The signed header does not repeat what the agreement says")
    return agreement, flow


def _receipt(job: AdmitJob, opened: OpenedMessage, verdict: Verdict, code: str) -> Receipt:
    header = opened.header
    return Receipt(
        message_id=header.message_id,
        digest=opened.digest,
        verdict=verdict,
        code=code,
        agreement_version=header.agreement.version,
        issuer=header.recipient,
        audience=header.sender,
        issued_at=job.now.replace(microsecond=0),
        statement_id=job.statement_id,
    )


def _unopened(job: AdmitJob, error: GatewayError, desk: Desk) -> Unopened:
    """Sign what can be said of bytes we could not open.

    Whom they were for can not be believed either, so a node that speaks for several parties signs nothing.
    """
    sha256 = job.envelope_sha256
    issuer = next(iter(desk.own)) if len(desk.own) == 1 else None
    if issuer is None:
        return Unopened(envelope_sha256=sha256, error=error, problem=None, token=None)
    problem = Problem(
        envelope_sha256=sha256,
        code=error.public_code,
        issuer=issuer,
        audience=job.channel_party,
        issued_at=job.now.replace(microsecond=0),
        statement_id=job.statement_id,
    )
    token = sign_problem(problem, desk.trust.signer(issuer, job.now))
    return Unopened(envelope_sha256=sha256, error=error, problem=problem, token=token)
