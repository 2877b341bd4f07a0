"""Listeners opened for tests: the real applications over the real store and use cases, on real sockets.

Only what a worker process would do is scripted (a document is accepted or refused by what its body says), and tokens
are words that stand for callers.
"""

import asyncio
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp

from gateway.app import Rulebook
from gateway.domain.access import Caller, Role
from gateway.domain.agreement import Agreement, Flow
from gateway.domain.ids import ClientId, PartyId, SchemaSetId
from gateway.domain.jobs import (
    AdmitJob,
    AdmitResult,
    CheckAskedJob,
    CheckAskedResult,
    CheckJob,
    CheckNoticeJob,
    CheckNoticeResult,
    CheckResult,
    PreparedSubmission,
    PreparedTransfer,
    PrepareJob,
    PrepareResult,
    ReferenceKind,
    RefusedSubmission,
)
from gateway.domain.message import MessageKind
from gateway.domain.records import KeyFacts, RulesReloaded
from gateway.domain.retry import RetryPolicy
from gateway.errors import (
    AccessError,
    AgreementError,
    ConfigurationError,
    Finding,
    GatewayError,
    SchemaError,
    Violation,
)
from gateway.exchange.ask import Ask
from gateway.exchange.beside import Beside, BesideJob, Leaf
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.drain import Drain
from gateway.exchange.fast_path import FastPath
from gateway.exchange.holds import Holds
from gateway.exchange.operate import Operate
from gateway.exchange.pull import Pull
from gateway.exchange.settle import Settle
from gateway.exchange.show import Show
from gateway.exchange.submit import Submit
from gateway.exchange.supersede import Supersede
from gateway.schema.code_lists.bindings import CodeCatalogue
from gateway.storage import SqliteStore
from gateway.system import SystemIds
from gateway.trust import PlainSealer
from gateway.web import (
    Door,
    OperationsParts,
    SubmissionParts,
    operations_app,
    serve,
    submission_app,
)
from gateway.web.console.session import cookie_name
from tests.store_values import AGREEMENT, HOME, LEASE, NOW, OTHER, PARTNER, TERMS, StoreValues, sha
from tests.unit.web.one_by_one import OneByOne
from tests.unit.web.sets_shown import schema_sets, try_out
from tests.unit.web.stand_ins import FixedClock, Lines, ScriptedPartner

FINE = b"<MetaData/>"
BROKEN = b"<Broken/>"
UNWELCOME = b"<Unwelcome/>"
CRASHING = b"<Crashing/>"
SLOW = b"<Slow/>"
SECRET = "SECRET-VALUE-OF-A-DOCUMENT"

CALLERS: Mapping[str, Caller] = {
    "submitter": Caller(
        client=ClientId("national-system"), roles=frozenset({Role.SUBMITTER}), parties=frozenset({HOME})
    ),
    "neighbour": Caller(client=ClientId("neighbour"), roles=frozenset({Role.SUBMITTER}), parties=frozenset({HOME})),
    "broker": Caller(client=ClientId("broker"), roles=frozenset({Role.SUBMITTER}), parties=frozenset({HOME, OTHER})),
    "fetcher": Caller(client=ClientId("fetcher"), roles=frozenset({Role.BACKEND}), parties=frozenset({HOME})),
    "stranger": Caller(client=ClientId("stranger"), roles=frozenset({Role.BACKEND}), parties=frozenset({PARTNER})),
    "both": Caller(client=ClientId("both"), roles=frozenset({Role.BACKEND}), parties=frozenset({HOME, OTHER})),
    **{
        role.value: Caller(client=ClientId(f"{role.value}-1"), roles=frozenset({role}))
        for role in Role
        if role is not Role.SUBMITTER
    },
    "nobody": Caller(client=ClientId("nobody"), roles=frozenset()),
}
"""Token → who shows it."""


class WordTokens:
    """Implements ports.Tokens: `Bearer WORD`, WORD being a name of CALLERS."""

    def caller(self, authorization: str | None) -> Caller:
        if authorization is None:
            raise AccessError("access.token_missing")
        scheme, _, word = authorization.partition(" ")
        if scheme != "Bearer" or word not in CALLERS:
            raise AccessError("access.token_invalid")
        return CALLERS[word]


class ScriptedWorkers(OneByOne):
    """Implements ports.Workers: the body of a document says what comes of it."""

    def __init__(self, values: StoreValues) -> None:
        self.values = values
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.admit_result: AdmitResult | None = None
        self.check_result: CheckResult | None = None
        self.check_notice_result: CheckNoticeResult | None = None
        self.check_asked_result: CheckAskedResult | None = None
        self.admitted: list[AdmitJob] = []

    async def prepare(self, job: PrepareJob) -> PrepareResult:
        if job.body == SLOW:
            self.begun.set()
            await self.may_end.wait()
        if job.body == CRASHING:
            raise ZeroDivisionError(SECRET)
        if job.body == BROKEN:
            return RefusedSubmission(problems={None: broken_schema()})
        if job.body == UNWELCOME:
            return RefusedSubmission(problems=_problems(job))
        return PreparedSubmission(
            facts_kind=MessageKind.DECLARATION,
            function_code="9",
            type_code="IM",
            item_count=2,
            size_bytes=len(job.body),
            document_sha256=sha("document"),
            sealed_document=b"sealed",
            references=(),
            transfers=tuple(self._transfer(job, recipient) for recipient in sorted(job.slots)),
        )

    async def admit(self, job: AdmitJob) -> AdmitResult:
        self.admitted.append(job)
        assert self.admit_result is not None
        return self.admit_result

    async def check(self, _job: CheckJob) -> CheckResult:
        assert self.check_result is not None
        return self.check_result

    async def check_notices(self, jobs: Sequence[CheckNoticeJob]) -> list[CheckNoticeResult]:
        assert self.check_notice_result is not None
        return [self.check_notice_result for _ in jobs]

    async def check_asked(self, _job: CheckAskedJob) -> CheckAskedResult:
        assert self.check_asked_result is not None
        return self.check_asked_result

    def _transfer(self, job: PrepareJob, recipient: PartyId) -> PreparedTransfer:
        slot = job.slots[recipient]
        header = self.values.header(
            slot.message_id, job.sender, recipient, slot.conversation, sequence=slot.sequence, now=job.now
        )
        header = replace(header, in_reply_to=job.in_reply_to, supersedes=job.supersedes)
        return PreparedTransfer(
            slot=slot,
            recipient=recipient,
            header=header,
            digest=sha(slot.message_id),
            sealed=b"sealed",
            size_bytes=6,
            deadline=job.now + timedelta(hours=24),
            retry=RetryPolicy(),
            kept=61,
            withheld=32,
        )


def broken_schema() -> SchemaError:
    violation = Violation(
        code="schema.element_not_expected",
        path="/MetaData/Declaration/*[2]",
        line=7,
        wco_id="228",
        message="This element may not stand here",
    )
    return SchemaError("schema.invalid", "The document breaks dms-declaration in 1 place", violations=(violation,))


def _problems(job: PrepareJob) -> dict[PartyId | None, GatewayError]:
    first, *others = sorted(job.slots)
    problems: dict[PartyId | None, GatewayError] = {first: AgreementError("agreement.none", f"None with {first}")}
    problems.update({other: broken_schema() for other in others})
    return problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What the tests of the listeners share: one store, one clock, one set of use cases."""

    store: SqliteStore
    workers: ScriptedWorkers
    clock: FixedClock
    lines: Lines
    values: StoreValues
    ids: SystemIds = field(default_factory=SystemIds)
    bells: Doorbells = field(default_factory=Doorbells)
    partner: ScriptedPartner = field(default_factory=ScriptedPartner)
    sealer: PlainSealer = field(default_factory=PlainSealer)
    agreements: Rulebook = field(default_factory=lambda: rulebook_with(PARTNER))
    failing: dict[str, GatewayError] = field(default_factory=dict)
    """Check of readiness → why it fails."""

    def door(self, name: str, **limits: Any) -> Door:
        return Door(name=name, clock=self.clock, ids=self.ids, telemetry=self.lines, **limits)

    def submission(self, *, max_document_bytes: int = 100_000, **limits: Any) -> SubmissionParts:
        path = FastPath(agreements=self.agreements, clock=self.clock, bells=self.bells, lease=LEASE)
        return SubmissionParts(
            door=self.door("submission", **limits),
            submit=Submit(
                store=self.store, workers=self.workers, clock=self.clock, ids=self.ids, bells=self.bells, fast_path=path
            ),
            store=self.store,
            pull=self.pull(),
            tokens=WordTokens(),
            max_document_bytes=max_document_bytes,
        )

    def pull(self) -> Pull:
        """Return the use case; HOME's back end pulls, OTHER's does not."""
        return Pull(
            store=self.store,
            sealer=self.sealer,
            clock=self.clock,
            ids=self.ids,
            telemetry=self.lines,
            leases={HOME: LEASE, PARTNER: LEASE},
            retries={HOME: RetryPolicy(first_wait=timedelta(seconds=10), cap=timedelta(seconds=10), attempts=3)},
        )

    def ask(self) -> Ask:
        """Return the use case; the partner says what `partner` is told to say."""
        settle = Settle(store=self.store, workers=self.workers, clock=self.clock)
        return Ask(
            store=self.store,
            workers=self.workers,
            channel=self.partner,
            settle=settle,
            clock=self.clock,
            telemetry=self.lines,
        )

    def supersede(self) -> Supersede:
        around: dict[str, Any] = {"clock": self.clock, "ids": self.ids, "bells": self.bells}
        return Supersede(store=self.store, workers=self.workers, sealer=self.sealer, ask=self.ask(), **around)

    def operations(self) -> OperationsParts:
        return OperationsParts(
            node="test-node",
            door=self.door("operations"),
            store=self.store,
            operate=Operate(
                store=self.store, ask=self.ask(), supersede=self.supersede(), clock=self.clock, bells=self.bells
            ),
            drain=Drain(store=self.store, clock=self.clock, bells=self.bells),
            holds=Holds(
                store=self.store,
                workers=self.workers,
                agreements=self.agreements,
                sealer=self.sealer,
                clock=self.clock,
                ids=self.ids,
                bells=self.bells,
                supersede=self.supersede(),
            ),
            tokens=WordTokens(),
            reference_index=_index,
            partners=lambda: frozenset({PARTNER, OTHER}),
            own=frozenset({HOME}),
            agreements=lambda: (agreement_with(PARTNER),),
            schema_sets=schema_sets,
            reload=self.reload,
            keys=keys_of,
            show=Show(store=self.store, clock=self.clock, look=self.look),
            try_out=try_out,
            checks={"store": self.store.ready, "revocation": self._check_revocation},
            version="9.9",
        )

    async def reload(self, *, actor: str, reason: str) -> RulesReloaded:
        """Reload nothing, and say who asked; refuse for the reason `broken`."""
        if reason == "broken":
            finding = Finding(file="gb-fr.yaml", line=3, problem="is wrong", fix="Mend it")
            raise ConfigurationError("config.reload_refused", findings=(finding,), facts={"findings": [str(finding)]})
        return RulesReloaded(
            changed=True, generation=2, rules_sha256=actor, agreements=("gb-fr version 1",), schema_sets=("a-set",)
        )

    async def look(self, job: BesideJob) -> Beside:
        """Show a document that is a word, without any unsealing."""
        sent = None if job.view is None else "left"
        return Beside(
            leaves=(
                Leaf(path="/MetaData/Declaration/ID", original=SECRET, sent=sent),
                Leaf(path="/MetaData/Note", original=SECRET, sent=None, rule="policy.yaml:7", reason="not needed"),
            ),
            has_original=job.original is not None,
            has_view=job.view is not None,
            policy="policy.yaml",
        )

    async def _check_revocation(self) -> None:
        if "revocation" in self.failing:
            raise self.failing["revocation"]


def rulebook_with(partner: PartyId) -> Rulebook:
    """Return the rules of HOME with one agreement."""
    return Rulebook(
        own=frozenset({HOME}),
        agreements=(agreement_with(partner),),
        sets={},
        trees={},
        policies={},
        rule_sets={},
        code_lists=CodeCatalogue(lists={}, bindings=()),
    )


def agreement_with(partner: PartyId, **changes: Any) -> Agreement:
    """Return an agreement between HOME and `partner`, in force for a year."""
    flow = Flow(
        sender=HOME,
        recipient=partner,
        kinds=frozenset({MessageKind.DECLARATION}),
        schema_set=SchemaSetId("dms-declaration"),
        schema_set_sha256=sha("set"),
        policy="policy",
        policy_sha256=sha("policy"),
    )
    known: dict[str, Any] = {
        "id": AGREEMENT.id,
        "version": AGREEMENT.version,
        "sha256": AGREEMENT.sha256,
        "parties": frozenset({HOME, partner}),
        "flows": (flow,),
        "terms": TERMS,
        "crypto_profile": "wcx-es256-1",
        "valid_from": NOW - timedelta(days=100),
        "valid_until": NOW + timedelta(days=265),
        "suspended": False,
        "retry": RetryPolicy(),
        "message_lifetime": timedelta(days=7),
        "max_document_bytes": 100_000,
    }
    return Agreement(**{**known, **changes})


def keys_of(party: PartyId) -> tuple[KeyFacts, ...]:
    """Return a key in its best years and one that ends soon; nothing for OTHER, whom nobody introduced."""
    if party == OTHER:
        return ()
    begun = NOW - timedelta(days=300)
    return tuple(
        KeyFacts(party=party, use=use, key_id=sha(use), not_before=begun, not_after=NOW + rest, revoked=False)
        for use, rest in (("sign", timedelta(days=200)), ("decrypt", timedelta(days=10)))
    )


def _index(kind: ReferenceKind, value: str) -> str:
    return sha(f"{kind}:{value}")


@asynccontextmanager
async def open_node(folder: Path) -> AsyncIterator[Node]:
    """Open a store in `folder` and what works on it."""
    store = await SqliteStore.open(folder / "gateway.db", chain="test")
    values = StoreValues()
    try:
        yield Node(store=store, workers=ScriptedWorkers(values), clock=FixedClock(), lines=Lines(), values=values)
    finally:
        await store.close()


@asynccontextmanager
async def open_submission(parts: SubmissionParts) -> AsyncIterator[str]:
    """Serve the submission listener; yields its address."""
    listener = await serve(submission_app(parts), host="127.0.0.1", port=0, stop_within=timedelta(seconds=1))
    try:
        yield listener.url
    finally:
        await listener.stop()


@asynccontextmanager
async def open_operations(parts: OperationsParts) -> AsyncIterator[str]:
    """Serve the operations listener; yields its address."""
    listener = await serve(operations_app(parts), host="127.0.0.1", port=0, stop_within=timedelta(seconds=1))
    try:
        yield listener.url
    finally:
        await listener.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        import json

        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem, whose form is checked."""
        assert self.headers["Content-Type"] == "application/problem+json"
        members = self.json()
        assert members["type"] == f"urn:wco-gateway:problem:{members['code']}"
        assert members["status"] == self.status
        assert members["title"]
        assert members["instance"].startswith("urn:uuid:")
        return str(members["code"])


async def ask(
    url: str,
    method: str = "GET",
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    cookies: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request without following redirects."""
    given = dict(headers or {})
    if token is not None:
        given["Authorization"] = f"Bearer {token}"
    async with (
        aiohttp.ClientSession(cookies=cookies, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
        session.request(method, url, headers=given, data=body, allow_redirects=False) as response,
    ):
        return Answer(status=response.status, headers=response.headers.copy(), body=await response.read())


async def submit(
    url: str, body: Any = FINE, *, to: str = PARTNER, token: str = "submitter", key: str = "key-1", query: str = ""
) -> Answer:
    """Submit a document."""
    return await ask(
        f"{url}/v1/submissions?to={to}{query}",
        "POST",
        token=token,
        headers={"Content-Type": "application/xml", "Idempotency-Key": key},
        body=body,
    )


def signed_in(url: str, word: str) -> dict[str, str]:
    """Return the cookies of a browser that signed in at `url` as `word`."""
    return {cookie_name(urlsplit(url).netloc, secure=False): word}


async def send_form(url: str, path: str, word: str, *, form_token: str | None = None, **fields: str) -> Answer:
    """Send a form of the console as a page of this session would, or with another `form_token`."""
    key = hmac.digest(word.encode(), b"wco-gateway console form 1", "sha256").hex()
    return await ask(
        f"{url}{path}",
        "POST",
        headers={"Content-Type": "application/x-www-form-urlencoded", "Origin": url},
        cookies=signed_in(url, word),
        body=urlencode({**fields, "form_token": key if form_token is None else form_token}),
    )
