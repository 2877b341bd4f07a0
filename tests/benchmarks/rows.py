"""Rows of single parts: what a part of the gateway costs against the bare calls it stands on, in one process.

Each round times both, one right after the other, over the same messages, so that their ratio says something on a noisy
machine. `bare` is never the gateway's code: the floor's, or the library's own call.
"""

import os
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Final, TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree

from gateway.app import Snapshot, lay_desk, rulebook_of
from gateway.demo.layout import NodeLayout, World
from gateway.document import read, read_unmeasured
from gateway.domain.ids import ConversationId, MessageId, PartyId, RuleSetId, SubmissionId, TransferId
from gateway.domain.jobs import (
    AdmitJob,
    AdmitResult,
    Admitted,
    CheckJob,
    PreparedSubmission,
    PreparedTransfer,
    PrepareJob,
    PrepareResult,
    SealedEnvelope,
    SealJob,
    SealResult,
    Slot,
)
from gateway.domain.message import View
from gateway.domain.profile import ProfileTerms
from gateway.domain.statement import Receipt
from gateway.envelope import (
    Signer,
    VerificationKey,
    WrappingKey,
    decrypt_envelope,
    encrypt,
    sign_view,
    verify_message,
)
from gateway.exchange.batches import run_admit, run_check, run_prepare, run_seal
from gateway.exchange.desk import Desk, transfer_row
from gateway.policy import apply_policy, inspect
from gateway.schema import ValidDocument, compile_profile, judge, validate
from gateway.settings import load_configuration
from gateway.settings.rule_file import read_rule_sets
from gateway.system import SystemIds
from tests.benchmarks.documents import BareJudge, sized
from tests.benchmarks.floor import BATCH, Floor, declarations
from tests.benchmarks.policies import Policies

ItemT = TypeVar("ItemT")

_JUDGED_BYTES: Final = 256 * 1024
_TURNS: Final = 5
_MOST_TURNS: Final = 60
_ROW_SECONDS: Final = 0.3
_IDS: Final = SystemIds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison. Both functions take one whole batch of `messages` through. `target`: the ratio of PERFORMANCE, if it has one."""

    name: str
    title: str
    ours: Callable[[], object] = field(repr=False)
    bare: Callable[[], object] = field(repr=False)
    target: float | None = None
    messages: int = BATCH


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keys:
    """What one message needs of the directory of keys."""

    signer: Signer
    wrapping: WrappingKey
    verification: VerificationKey


def time_row(row: Row) -> tuple[float, float]:
    """Return microseconds of CPU a message of both, timed in turn: the median of at least _TURNS turns each.

    What only a first call costs is not counted. Short work gets more turns, so that a hiccup of the machine in one of
    them decides nothing.
    """
    row.ours()
    row.bare()
    pairs = [(_time(row.ours), _time(row.bare)) for _ in range(_TURNS)]
    while len(pairs) < _MOST_TURNS and sum(map(sum, pairs)) < _ROW_SECONDS:
        pairs.append((_time(row.ours), _time(row.bare)))
    ours, bare = (median(each) / row.messages * 1e6 for each in zip(*pairs, strict=True))
    return ours, bare


def _time(work: Callable[[], object]) -> float:
    # CPU time of this process: what others do on the machine meanwhile is not counted.
    started = time.process_time()
    work()
    return time.process_time() - started


class Parts:
    """A batch of messages at every stage, and the desks of both ends to take them further."""

    def __init__(self, world: World, sender: PartyId, receiver: PartyId) -> None:
        self._from, self._to = sender, receiver
        self._sender, self._receiver = _desk(world.nodes[sender]), _desk(world.nodes[receiver])
        self._floor = Floor()
        self._now = datetime.now(UTC)
        self._raws = declarations("rows", BATCH)
        self._prepare_jobs = [self._prepare_job(raw) for raw in self._raws]
        self._transfers = [_only(one) for one in run_prepare(self._prepare_jobs, self._sender)]
        header = self._transfers[0].header
        self._set = self._sender.sets[header.schema_set]
        self._policy = self._sender.policies[header.policy_sha256]
        self._valid = [validate(read(raw, self._sender.limits), self._set) for raw in self._raws]
        self._views = [apply_policy(one, self._policy, self._set) for one in self._valid]
        self._jws = [
            self._sender.sealer.unseal(one.sealed, row=transfer_row(one.slot.transfer_id)) for one in self._transfers
        ]
        self._keys = self._look_up()

    def rows(self) -> list[Row]:
        """Return the comparisons."""
        floor, key = self._floor, AESGCM(os.urandom(32))
        # The floor's parser also drops blank text, which a parser that must not change a value can not do.
        parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
        roots = [floor.parse(raw) for raw in self._raws]
        messages = list(zip(self._views, self._transfers, strict=True))
        return [
            Row(
                name="parse_validate",
                title="parse and validate / the bare lxml calls",
                ours=_over(self._read, self._raws),
                bare=_over(lambda raw: floor.validate(etree.fromstring(raw, parser)), self._raws),
                target=1.15,
            ),
            *self._judging(),
            *self._ruling(),
            Row(
                name="apply",
                title="apply the policy / filter a copy of the tree, validate, serialise",
                ours=_over(lambda one: apply_policy(one, self._policy, self._set), self._valid),
                bare=_over(lambda root: _cut(floor, root), roots),
            ),
            *self._filtering(),
            *self._of_sixty_rules(),
            Row(
                name="envelope",
                title="sign, encrypt, decrypt, verify, each over a batch / the bare primitives likewise",
                ours=lambda: self._envelopes(messages),
                bare=lambda: floor.primitives_together(self._jws),
                target=1.6,
            ),
            Row(
                name="envelope_alone",
                title="sign, encrypt, decrypt, verify, one message after the other / the bare primitives likewise",
                ours=_over(lambda one: self._envelopes([one]), messages),
                bare=_over(floor.primitives, self._jws),
            ),
            Row(
                name="keys",
                title="find the keys for that / the bare primitives",
                ours=_over(lambda _: self._look_up(), self._jws),
                bare=_over(floor.primitives, self._jws),
            ),
            Row(
                name="seal_at_rest",
                title="seal a message at rest / AES-GCM alone",
                ours=_over(lambda jws: self._sender.sealer.seal(jws, row="transfer:bench"), self._jws),
                bare=_over(lambda jws: key.encrypt(os.urandom(12), jws, b""), self._jws),
            ),
            Row(
                name="worker_jobs",
                title="all four jobs of the workers / the floor",
                ours=self._jobs,
                bare=lambda: floor.through_together(self._raws),
            ),
        ]

    def _filtering(self) -> list[Row]:
        """Apply at 280 KB, where the whole tree is beyond a processor's nearer caches; inspect what arrived."""
        floor, large = self._floor, sized()["280_kb"]
        valid, root = self._read(large), floor.parse(large)
        arrived = [self._read(view.xml) for view in self._views]
        return [
            Row(
                name="apply_280_kb",
                title="apply the policy at 280 KB / filter a copy of the tree, validate, serialise",
                ours=_over(lambda one: apply_policy(one, self._policy, self._set), [valid]),
                bare=_over(lambda one: _cut(floor, one), [root]),
                messages=1,
            ),
            Row(
                name="inspect",
                title="inspect what arrived / one union XPath over all that is withheld",
                ours=_over(lambda one: inspect(one, self._policy), arrived),
                bare=_over(lambda one: floor.withheld(one.root), arrived),
            ),
        ]

    def _of_sixty_rules(self) -> list[Row]:
        """Sixty rules with changes and conditions, at 10 KB and 280 KB, beside the same without, and what is bare."""
        policies = Policies(self._set, {"10_kb": self._raws[0], "280_kb": sized()["280_kb"]})
        rows = []
        for name in policies.names:
            size = name.replace("_kb", " KB")
            works = {
                "apply": (
                    "apply 60 rules at {} / copy, validate, serialise",
                    policies.apply(name),
                    policies.bare_apply(name),
                ),
                "changes": (
                    "apply 60 rules at {} / without changes and conditions",
                    policies.apply(name),
                    policies.apply(name, plain=True),
                ),
                "explain": ("explain 60 rules at {} / apply them", policies.explain(name), policies.apply(name)),
                "inspect": (
                    "inspect under 60 rules at {} / without changes and conditions",
                    policies.inspect(name),
                    policies.inspect(name, plain=True),
                ),
            }
            rows += [
                Row(name=f"policy_{what}_{name}", title=title.format(size), ours=ours, bare=bare, messages=1)
                for what, (title, ours, bare) in works.items()
            ]
        title = "check 60 rules against their set / without changes and conditions"
        check, plain = policies.check(), policies.check(plain=True)
        return [*rows, Row(name="policy_check", title=title, ours=check, bare=plain, messages=1)]

    def _judging(self) -> list[Row]:
        """Parse and validate at every size, and what a KB costs in a large document against a small one."""
        bare, documents = BareJudge(), sized()
        rows = []
        for name, raw in documents.items():
            messages = max(1, _JUDGED_BYTES // len(raw))
            rows.append(
                Row(
                    name=f"parse_validate_{name}",
                    title=f"parse and validate {name.replace('_kb', ' KB')} / the bare lxml calls",
                    ours=_over(self._read, [raw] * messages),
                    bare=_over(bare.judge, [raw] * messages),
                    target=1.15,
                    messages=messages,
                )
            )
        few, many = documents["280_kb"], documents["2800_kb"]
        title = "parse and validate 1 KB at 999 items / at 99 items"
        times = round(len(many) / len(few))  # as many bytes on both sides, but for one in a hundred
        rows.append(
            Row(
                name="cost_per_kb",
                title=title,
                ours=_over(self._read, [many]),
                bare=_over(self._read, [few] * times),
                target=1.2,
                messages=len(many) // 1024,
            )
        )
        return rows

    def _ruling(self) -> list[Row]:
        """Hold a document against every bundled rule, and what a KB costs in a large one against a small one."""
        rules = read_rule_sets(None)[0][RuleSetId("dms-declaration")]
        profile = compile_profile(ProfileTerms(rules=rules.id, rules_sha256=rules.sha256), self._set, rules)
        bare, documents = BareJudge(), {"10_kb": self._raws[0], "280_kb": sized()["280_kb"]}
        today = self._now.date()
        for name, raw in documents.items():
            if judge(self._read(raw), profile, today).refused:
                raise ValueError(f"the rules refuse the document of {name}: what is timed would be an explanation")
        return [
            Row(
                name=f"rules_{name}",
                title=f"hold {name.replace('_kb', ' KB')} against the bundled rules / the bare verdict of the schema",
                ours=_over(lambda one: judge(one, profile, today), [self._read(raw)] * messages),
                bare=_over(lambda one: bare.verdict(one.root), [self._read(raw)] * messages),
                messages=messages,
            )
            for name, raw in documents.items()
            for messages in [max(1, _JUDGED_BYTES // len(raw))]
        ]

    def _read(self, raw: bytes) -> ValidDocument:
        """Judge a document as `prepare` and `admit` do."""
        return validate(read_unmeasured(raw, self._sender.limits), self._set)

    def _envelopes(self, messages: Sequence[tuple[View, PreparedTransfer]]) -> None:
        """Take views into envelopes and out of them, step by step as `prepare` and `admit` do, the keys being at hand."""
        keys, unwrapper = self._keys, self._receiver.trust.unwrapper
        signed = [sign_view(view, transfer.header, keys.signer) for view, transfer in messages]
        envelopes = [
            encrypt(
                one.jws,
                message_id=one.header.message_id,
                sender=self._from,
                recipient=self._to,
                wrapping_key=keys.wrapping,
            )
            for one in signed
        ]
        decrypted = [decrypt_envelope(one.jwe, ours={self._to}, unwrapper=unwrapper) for one in envelopes]
        for one in decrypted:
            verify_message(one, channel_party=self._from, verification_key=lambda _key_id: keys.verification)

    def _look_up(self) -> _Keys:
        """Find the keys of one message, as the desks do for each: validity and revocation are judged every time."""
        signer = self._sender.trust.signer(self._from, self._now)
        return _Keys(
            signer=signer,
            wrapping=self._sender.trust.wrapping_key(self._to, self._now),
            verification=self._receiver.trust.verification_key(signer.key_id),
        )

    def _jobs(self) -> None:
        """Prepare, seal, admit, check: a batch through all four, with what each makes of it."""
        transfers = [_only(one) for one in run_prepare(self._prepare_jobs, self._sender)]
        sealed = run_seal([self._seal_job(one) for one in transfers], self._sender)
        admitted = run_admit([self._admit_job(one) for one in sealed], self._receiver)
        pairs = zip(transfers, admitted, strict=True)
        checked = run_check([self._check_job(transfer, one) for transfer, one in pairs], self._sender)
        for one in checked:
            _sure(Receipt, one)

    def _prepare_job(self, raw: bytes) -> PrepareJob:
        message_id = _IDS.uuid7()
        slot = Slot(
            transfer_id=TransferId(message_id),
            message_id=MessageId(message_id),
            conversation=ConversationId(_IDS.uuid4()),
            sequence=1,
            nonce=_IDS.nonce(),
        )
        return PrepareJob(
            submission_id=SubmissionId(_IDS.uuid7()),
            body=raw,
            sender=self._from,
            client="bench",
            slots={self._to: slot},
            conversation_key=None,
            in_reply_to=None,
            now=self._now,
        )

    def _seal_job(self, transfer: PreparedTransfer) -> SealJob:
        return SealJob(
            transfer_id=transfer.slot.transfer_id,
            message_id=transfer.slot.message_id,
            sender=self._from,
            recipient=self._to,
            sealed_jws=transfer.sealed,
            now=self._now,
        )

    def _admit_job(self, sealed: SealResult) -> AdmitJob:
        jwe = _sure(SealedEnvelope, sealed).jwe
        return AdmitJob(jwe=jwe, channel_party=self._from, statement_id=_IDS.uuid4(), now=self._now)

    def _check_job(self, transfer: PreparedTransfer, admitted: AdmitResult) -> CheckJob:
        return CheckJob(
            token=_sure(Admitted, admitted).receipt_token,
            message_id=transfer.slot.message_id,
            digest=transfer.digest,
            envelope_sha256=None,
            sender=self._from,
            recipient=self._to,
            agreement=transfer.header.agreement,
            now=self._now,
        )


def _over(work: Callable[[ItemT], object], batch: Sequence[ItemT]) -> Callable[[], None]:
    def run() -> None:
        for item in batch:
            work(item)

    return run


def _sure(kind: type[ItemT], found: object) -> ItemT:
    if not isinstance(found, kind):
        raise TypeError(f"a message of the benchmark ended as {type(found).__name__} where it should not")
    return found


def _only(prepared: PrepareResult) -> PreparedTransfer:
    return _sure(PreparedSubmission, prepared).transfers[0]


def _cut(floor: Floor, root: etree._Element) -> bytes:
    copied = deepcopy(root)
    floor.cut(copied)
    floor.validate(copied)
    return floor.serialise(copied)


def _desk(node: NodeLayout) -> Desk:
    configuration = load_configuration(node.config)
    return lay_desk(Snapshot(generation=1, settings=configuration.node, rulebook=rulebook_of(configuration)))
