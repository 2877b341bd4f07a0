"""From the bytes a national system handed in to signed views, one per recipient. Pure: times, ids, nonces come in.

The order is the promise: read, validate, judge by the profile, filter, validate and judge the view, sign. Types carry
it: `bytes → Document → ValidDocument → View → SignedView`; each is made only by the step before it. All recipients or
none: every failure is gathered, and one is enough to prepare nothing.

What a rule or the policy holds is not signed: its view is sealed as it is, and prepared once more when officers have
approved it (`PrepareJob.approved`). Only if the same agreement then gives the same bytes are they signed; the type of a
view is still made by `apply_in_steps` alone, and what an officer saw is what leaves.

Where nothing is ahead of a transfer, its first envelope is made here too, while the JWS is at hand. It is a favour to
`seal`, never a condition: a partner without a usable key gets its transfer queued all the same.
"""

import hashlib
from datetime import date, datetime, timedelta

from gateway.document import Document, read_unmeasured
from gateway.domain.agreement import Agreement, Flow, check_unchanged
from gateway.domain.failpoint import Failpoint
from gateway.domain.ids import PartyId, SchemaSetId
from gateway.domain.jobs import (
    Approved,
    PreparedSubmission,
    PreparedTransfer,
    PrepareJob,
    PrepareResult,
    ReferenceKind,
    RefusedSubmission,
    SealedEnvelope,
    SealedReference,
    Slot,
)
from gateway.domain.message import DocumentFacts, MessageHeader, MessageKind, View
from gateway.envelope import SignedView, sign_view
from gateway.errors import AgreementError, DocumentError, GatewayError, SchemaError, TrustError
from gateway.exchange.desk import Desk, held_view_row, reference_row, submission_row, transfer_row
from gateway.exchange.seal import wrap
from gateway.exchange.steps import Steps, alone
from gateway.policy import Pseudonyms, apply_in_steps, check_required, demands, held_by
from gateway.schema import Judgement, ValidDocument, judge, judge_view, validate


def prepare(job: PrepareJob, desk: Desk) -> PrepareResult:
    """Return the prepared submission, or why not: by recipient, or under None for the document itself."""
    return alone(prepare_in_steps(job, desk))


def prepare_in_steps(job: PrepareJob, desk: Desk) -> Steps[PrepareResult]:
    """Return what `prepare` does, as steps that a batch takes together."""
    try:
        document = read_unmeasured(job.body, desk.limits)
    except DocumentError as error:
        return RefusedSubmission(problems={None: error})
    yield

    problems: dict[PartyId | None, GatewayError] = {}
    permitted: dict[PartyId, tuple[Agreement, Flow]] = {}
    for recipient in job.slots:
        try:
            permitted[recipient] = _permission(job, document, recipient, desk)
        except GatewayError as error:
            problems[recipient] = error

    valid: dict[SchemaSetId, ValidDocument] = {}
    for schema_set in {flow.schema_set for _, flow in permitted.values()}:
        try:
            valid[schema_set] = validate(document, desk.sets[schema_set], job.telling)
        except (DocumentError, SchemaError) as error:
            return RefusedSubmission(problems={None: error})
    desk.reach(Failpoint.DOCUMENT_VALID)
    yield

    judged = _Judged(job.now.date(), desk)
    transfers: list[PreparedTransfer] = []
    for recipient, (agreement, flow) in permitted.items():
        try:
            judgement = judged.document(valid[flow.schema_set], flow)
            yield
            transfers.append(
                (yield from _transfer(job, valid[flow.schema_set], judgement, recipient, agreement, flow, desk))
            )
        except GatewayError as error:
            problems[recipient] = error
        yield
    if problems:
        return RefusedSubmission(problems=problems)
    return (yield from _submission(job, document, tuple(transfers), desk))


def _permission(job: PrepareJob, document: Document, recipient: PartyId, desk: Desk) -> tuple[Agreement, Flow]:
    agreement, flow = desk.agreements.choose(
        sender=job.sender, recipient=recipient, kind=document.facts.kind, now=job.now
    )
    if job.approved is not None and job.approved.agreement != agreement.ref:
        agreement, flow = _approved_under(job.approved, job, document, recipient, desk) or (agreement, flow)
    if len(job.body) > agreement.max_document_bytes:
        raise DocumentError(
            "document.too_large",
            f"Agreement {agreement.id} allows documents of up to {agreement.max_document_bytes} bytes",
        )
    return agreement, flow


class _Judged:
    """The judgements of one document: each distinct profile is asked once, however many recipients it is for."""

    def __init__(self, today: date, desk: Desk) -> None:
        self._today = today
        self._desk = desk
        self._found: dict[tuple[SchemaSetId, str], Judgement] = {}

    def document(self, document: ValidDocument, flow: Flow) -> Judgement:
        """Return what the flow's profile says of the document. Raises SchemaError `schema.profile_broken`."""
        key = (flow.schema_set, flow.profile.sha256)
        if key not in self._found:
            profile = self._desk.profiles.get(key)
            self._found[key] = Judgement() if profile is None else judge(document, profile, self._today)
        return _unless_refused(self._found[key])


def _unless_refused(judgement: Judgement) -> Judgement:
    refusal = judgement.refusal()
    if refusal is not None:
        raise refusal
    return judgement


def _approved_under(
    approved: Approved, job: PrepareJob, document: Document, recipient: PartyId, desk: Desk
) -> tuple[Agreement, Flow] | None:
    """Return the agreement a held view was made under if that is still in force beside a newer version."""
    under = approved.agreement
    try:
        agreement = desk.agreements.version(under.id, under.version)
        check_unchanged(agreement, under, job.now)
    except AgreementError:
        return None
    flow = agreement.flow(job.sender, recipient, document.facts.kind)
    return None if flow is None else (agreement, flow)


def _transfer(
    job: PrepareJob,
    document: ValidDocument,
    judgement: Judgement,
    recipient: PartyId,
    agreement: Agreement,
    flow: Flow,
    desk: Desk,
) -> Steps[PreparedTransfer]:
    found = [judgement]
    profile = desk.profiles.get((flow.schema_set, flow.profile.sha256))

    def judge_it(view: ValidDocument) -> None:
        if profile is not None:
            found.append(_unless_refused(judge_view(view, profile, job.now.date())))

    policy, compiled = desk.policies[flow.policy_sha256], desk.sets[flow.schema_set]
    demanded = demands(document, policy)
    check_required(demanded, policy.policy)
    view = yield from apply_in_steps(document, policy, compiled, judge_it, _pseudonyms(job, agreement, desk))
    desk.reach(Failpoint.VIEW_MADE)
    yield
    slot = job.slots[recipient]
    header = _header(job, slot, recipient, view.kind, agreement, flow)
    held_for = (*held_by(demanded, policy.policy), *(violation for one in found for violation in one.held))
    waits = bool(held_for) if job.approved is None else _is_another(job.approved, slot, view, agreement, desk)
    if waits:
        digest, size, sealed, envelope = _held(view, slot, desk)
    else:
        digest, size, sealed, envelope = yield from _signed(view, header, slot, job, desk)
    return PreparedTransfer(
        slot=slot,
        recipient=recipient,
        header=header,
        digest=digest,
        sealed=sealed,
        size_bytes=size,
        # What waits for a person may wait as long as its message may live; time to send it begins with its release.
        deadline=header.expires if waits else min(job.now + agreement.retry.deadline, header.expires),
        retry=agreement.retry,
        kept=view.kept,
        withheld=view.withheld,
        held_for=held_for if waits else (),
        approvals=agreement.release_approvals,
        warned=tuple(violation for one in found for violation in one.warned),
        envelope=envelope,
    )


def _pseudonyms(job: PrepareJob, agreement: Agreement, desk: Desk) -> Pseudonyms | None:
    """Return those of the agreement for the time the submission was accepted, so that a release gives the same."""
    if desk.pseudonyms is None:
        return None
    period = agreement.pseudonym_period.at(job.accepted or job.now)
    return Pseudonyms(key=desk.pseudonyms.key(agreement.id, period))


def _signed(
    view: View, header: MessageHeader, slot: Slot, job: PrepareJob, desk: Desk
) -> Steps[tuple[str, int, bytes, SealedEnvelope | None]]:
    """Return the digest of the message, the size of its JWS, that JWS sealed, and its first envelope if it is wanted
    and can be made."""
    signed = sign_view(view, header, desk.trust.signer(job.sender, job.now))
    desk.reach(Failpoint.VIEW_SIGNED)
    yield
    envelope = _first_envelope(signed, job, desk)
    yield
    sealed = desk.sealer.seal(signed.jws, row=transfer_row(slot.transfer_id))
    return signed.digest, len(signed.jws), sealed, envelope


def _first_envelope(signed: SignedView, job: PrepareJob, desk: Desk) -> SealedEnvelope | None:
    header = signed.header
    if header.recipient not in job.at_once:
        return None
    try:
        return wrap(
            signed.jws,
            message_id=header.message_id,
            sender=header.sender,
            recipient=header.recipient,
            now=job.now,
            trust=desk.trust,
        )
    except TrustError:  # `seal` will meet it again, and dispatch knows what to do then
        return None


def _held(view: View, slot: Slot, desk: Desk) -> tuple[str, int, bytes, None]:
    """Return no digest, for there is no message yet, the size of the view, that view sealed, and no envelope."""
    return "", len(view.xml), desk.sealer.seal(view.xml, row=held_view_row(slot.transfer_id)), None


def _is_another(approved: Approved, slot: Slot, view: View, agreement: Agreement, desk: Desk) -> bool:
    """Tell whether this view, or what it is under, is not what the officers approved."""
    seen = desk.sealer.unseal(approved.sealed_view, row=held_view_row(slot.transfer_id))
    return agreement.ref != approved.agreement or view.xml != seen


def _header(
    job: PrepareJob, slot: Slot, recipient: PartyId, kind: MessageKind, agreement: Agreement, flow: Flow
) -> MessageHeader:
    created = _whole_seconds(job.now)
    return MessageHeader(
        message_id=slot.message_id,
        conversation=slot.conversation,
        sequence=slot.sequence,
        in_reply_to=job.in_reply_to,
        supersedes=job.supersedes,
        sender=job.sender,
        recipient=recipient,
        kind=kind,
        schema_set=flow.schema_set,
        schema_set_sha256=flow.schema_set_sha256,
        agreement=agreement.ref,
        policy_sha256=flow.policy_sha256,
        terms=agreement.terms,
        created=created,
        expires=created + agreement.message_lifetime,
        nonce=slot.nonce,
    )


def _submission(
    job: PrepareJob, document: Document, transfers: tuple[PreparedTransfer, ...], desk: Desk
) -> Steps[PreparedSubmission]:
    facts = document.facts
    references = references_of(facts, owner=job.submission_id, desk=desk)
    if job.conversation_key is not None:
        # Scoped to the client: two clients may use the same case number for different things.
        explicit = f"{job.client}\x1f{job.conversation_key}"
        references = (seal_reference(ReferenceKind.EXPLICIT, explicit, job.submission_id, desk), *references)
    yield
    sealed = desk.sealer.seal(job.body, row=submission_row(job.submission_id))
    yield
    return PreparedSubmission(
        facts_kind=facts.kind,
        function_code=facts.function_code,
        type_code=facts.type_code,
        item_count=facts.item_count,
        size_bytes=len(job.body),
        document_sha256=hashlib.sha256(job.body).hexdigest(),
        sealed_document=sealed,
        references=references,
        transfers=transfers,
    )


def references_of(facts: DocumentFacts, *, owner: str, desk: Desk) -> tuple[SealedReference, ...]:
    """Return the references a document carries, sealed under `owner`, strongest first (MRN, LRN, UCR)."""
    values = ((ReferenceKind.MRN, facts.mrn), (ReferenceKind.LRN, facts.lrn), (ReferenceKind.UCR, facts.ucr))
    return tuple(seal_reference(kind, value, owner, desk) for kind, value in values if value)


def seal_reference(kind: ReferenceKind, value: str, owner: str, desk: Desk) -> SealedReference:
    """Return one reference as it may be stored: keyed hash and sealed value."""
    sealed = desk.sealer.seal(value.encode(), row=reference_row(owner, kind))
    return SealedReference(kind=kind, index=desk.sealer.index(kind, value), sealed=sealed)


def _whole_seconds(now: datetime) -> datetime:
    return now - timedelta(microseconds=now.microsecond)
