"""What one node is told: frozen values, read from one TOML file by `load_node`.

Every class here is a plain frozen dataclass that pydantic checks while the file is read (unknown keys are refused).
Secrets never stand in the file, only the paths of the files that hold them. Paths are relative to the TOML file and
absolute here. What weakens a promise has a name that starts with `insecure_` and is audited when the node starts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, ClassVar, Final, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag

from gateway.domain.access import Role
from gateway.domain.ids import ClientId
from gateway.domain.limits import (
    CEILING_DOCUMENT_BYTES,
    MAX_BATCH_CHANGES,
    MAX_BATCH_ENVELOPES,
    STAGE_BATCH,
    DocumentLimits,
)
from gateway.settings.kinds import (
    BackendUrl,
    ClientName,
    Duration,
    ExistingFile,
    ExistingFolder,
    Flag,
    Folder,
    Lease,
    NodeName,
    PartnerUrl,
    PartyName,
    Pin,
    Port,
    PurgeRhythm,
    Rhythm,
    StopTime,
    Timeout,
    backend_kind,
    default_workers,
)

__all__ = [
    "BACKEND_KINDS",
    "AtRest",
    "Backend",
    "Batches",
    "Client",
    "Documents",
    "DropFolder",
    "KeyFiles",
    "Listener",
    "Listeners",
    "LogLevel",
    "NodeSettings",
    "OurParty",
    "Partner",
    "Pseudonyms",
    "PullInbox",
    "Timing",
    "Tokens",
    "Tries",
    "Trust",
    "Webhook",
]

STRICT: Final = ConfigDict(extra="forbid", allow_inf_nan=False)
_BUILT_IN: Final = DocumentLimits()
LogLevel = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFiles:
    """A private key and its certificate (chain, leaf first), both PEM. Validity is the certificate's."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    key: ExistingFile
    certificate: ExistingFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Where to listen. `tls` None means plain HTTP, which only a loopback host may use."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    host: str
    port: Port
    tls: KeyFiles | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """The three doors: national systems, partners (always mutual TLS), operators. Port 0 lets the system choose."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    submission: Listener
    partner: Listener
    operations: Listener


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """How often one hand-over is tried: waits grow from `first_wait` to `cap`; after `attempts` it is quarantined."""

    first_wait: Duration = timedelta(seconds=1)
    cap: Duration = timedelta(minutes=5)
    attempts: Annotated[int, Field(strict=True, ge=1, le=100_000)] = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook(Tries):
    """A back end that is called, each call signed with the secret in `secret_file`.

    `trust_roots`: PEM roots for the webhook's TLS; None takes the node's. `batch`: how many messages one call may
    bring; above 1 every call has the form for several.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    kind: Literal["webhook"] = "webhook"
    url: BackendUrl
    secret_file: ExistingFile
    trust_roots: ExistingFile | None = None
    timeout: Timeout = timedelta(seconds=15)
    batch: Annotated[int, Field(strict=True, ge=1, le=MAX_BATCH_ENVELOPES)] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DropFolder(Tries):
    """A back end that finds its messages as files in the folder at `path`, which have the rights `file_mode`."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    kind: Literal["folder"]
    path: ExistingFolder
    file_mode: Literal["0600", "0640", "0660"] = "0640"
    timeout: Timeout = timedelta(seconds=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class PullInbox(Tries):
    """A back end that fetches its messages at the submission listener. `lease`: how long it has to acknowledge one."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    kind: Literal["pull"]
    lease: Lease = timedelta(minutes=5)


Backend = Annotated[
    Annotated[Webhook, Tag("webhook")] | Annotated[DropFolder, Tag("folder")] | Annotated[PullInbox, Tag("pull")],
    Discriminator(backend_kind),
]
"""How inbox messages reach a party's back end. Without `kind` it is a webhook."""

BACKEND_KINDS: Final = {"webhook": Webhook, "folder": DropFolder, "pull": PullInbox}


@dataclass(frozen=True, slots=True, kw_only=True)
class OurParty:
    """A party this node speaks for. `tls` is the client certificate shown to partners; of several signing or decryption
    keys the newest valid one is used, and all of them are accepted."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    id: PartyName
    tls: KeyFiles
    signing: tuple[KeyFiles, ...]
    decryption: tuple[KeyFiles, ...]
    backend: Backend | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """A party we exchange with. `folder` holds its bundle (certificates of signing and encryption keys).

    Its TLS certificate is known by the URI in its subject alternative name (`san_uri`; empty: the usual one made of
    the id), or by the SHA-256 of its SubjectPublicKeyInfo, lower-case hex, when there are `pins`; the bundle may bring
    some. `allow_private`: its address may lie in a private network. `receipts`: whether what it sends is judged before
    it is answered, or kept and answered 202, and judged after that. `requests` and `batch`: how many go to it at once,
    and how many messages in each; `catch_up`: messages a second after it was out of reach.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    id: PartyName
    url: PartnerUrl
    folder: ExistingFolder
    san_uri: str = ""
    pins: tuple[Pin, ...] = ()
    timeout: Timeout = timedelta(seconds=30)
    connections: Annotated[int, Field(strict=True, ge=2, le=8)] = 4
    allow_private: Flag = False
    receipts: Literal["at_once", "later"] = "at_once"
    requests: Annotated[int, Field(strict=True, ge=1, le=8)] = 4
    batch: Annotated[int, Field(strict=True, ge=1, le=MAX_BATCH_ENVELOPES)] = MAX_BATCH_ENVELOPES
    catch_up: Annotated[int, Field(strict=True, ge=1, le=100_000)] = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A registered user of the submission or operations API: its token's subject, for whom it may submit, its roles."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    id: ClientName
    roles: frozenset[Role]
    parties: frozenset[PartyName] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Whose bearer tokens are believed: issuer, audience, and a JWKS file with the issuer's public keys."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    issuer: str
    audience: str
    jwks: ExistingFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """PEM roots that partners' certificates must chain to, CRL files, and how old a CRL may be."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    roots: ExistingFile
    crls: tuple[ExistingFile, ...]
    crl_max_age: Duration = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtRest:
    """Key-encryption keys for stored payloads: the one in use, and retired ones that still open older rows."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    key: ExistingFile
    retired: tuple[ExistingFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pseudonyms:
    """The file with the node's secret for pseudonyms, from which the key of each agreement and period is derived."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    secret: ExistingFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """Limits of the XML door; only tighter than the built-in ones, size up to the ceiling."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    max_bytes: Annotated[int, Field(strict=True, ge=1024, le=CEILING_DOCUMENT_BYTES)] = _BUILT_IN.size_bytes
    max_depth: Annotated[int, Field(strict=True, ge=8, le=_BUILT_IN.depth)] = _BUILT_IN.depth
    max_elements: Annotated[int, Field(strict=True, ge=100, le=_BUILT_IN.elements)] = _BUILT_IN.elements
    max_attributes: Annotated[int, Field(strict=True, ge=4, le=_BUILT_IN.attributes)] = _BUILT_IN.attributes

    @property
    def limits(self) -> DocumentLimits:
        """The same as a domain value."""
        return DocumentLimits(
            size_bytes=self.max_bytes,
            depth=self.max_depth,
            elements=self.max_elements,
            attributes=self.max_attributes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How often and how long. `lease`: a claimed transfer or hand-over belongs to this node; `poll`: look for due work
    that no event announced; `sweep`: deadlines, lost leases; `purge`: rows past their keeping; `stop`: finish work."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    lease: Lease = timedelta(seconds=60)
    poll: Rhythm = timedelta(seconds=1)
    sweep: Rhythm = timedelta(seconds=5)
    purge: PurgeRhythm = timedelta(hours=1)
    stop: StopTime = timedelta(seconds=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """How much goes together at most, for speed only; 1: nothing does. `jobs`: of one kind for a worker; `messages`: in
    one request to a partner; `changes`: of the store in one commit."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    jobs: Annotated[int, Field(strict=True, ge=1, le=STAGE_BATCH)] = STAGE_BATCH
    messages: Annotated[int, Field(strict=True, ge=1, le=MAX_BATCH_ENVELOPES)] = MAX_BATCH_ENVELOPES
    changes: Annotated[int, Field(strict=True, ge=1, le=MAX_BATCH_CHANGES)] = MAX_BATCH_CHANGES


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """All of one node, read from `file`. `agreements` are folders; `schemas`: own sets beside the bundled ones;
    `privacy`: by the id of a set, a file with what is classed otherwise here; `workers` 0 does the CPU work in the main
    process."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    file: str = ""
    name: NodeName
    data_dir: Folder
    agreements: tuple[ExistingFolder, ...]
    schemas: ExistingFolder | None = None
    privacy: Mapping[str, ExistingFile] = field(default_factory=dict)
    log_level: LogLevel = "info"
    workers: Annotated[int, Field(strict=True, ge=0, le=256)] = field(default_factory=default_workers)
    listeners: Listeners
    tokens: Tokens
    trust: Trust
    at_rest: AtRest | None = None
    pseudonyms: Pseudonyms | None = None
    parties: tuple[OurParty, ...]
    partners: tuple[Partner, ...]
    clients: tuple[Client, ...] = ()
    documents: Documents = Documents()
    timing: Timing = Timing()
    batches: Batches = Batches()
    insecure_plain_at_rest: Flag = False
    insecure_log_documents: Flag = False
    insecure_failpoints: Flag = False

    def client(self, client_id: ClientId) -> Client | None:
        """Return the registered client with this id, or None."""
        return next((one for one in self.clients if one.id == client_id), None)

    @property
    def insecure(self) -> tuple[str, ...]:
        """The names of the switches that weaken a promise and are on, for the audit record at start."""
        names = ("insecure_plain_at_rest", "insecure_log_documents", "insecure_failpoints")
        return tuple(name for name in names if getattr(self, name))
