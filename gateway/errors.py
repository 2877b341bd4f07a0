"""The one error catalogue.

Every failure the gateway can report has a stable code here, with a title, an HTTP status, whether trying again may
help, and the code a partner is shown. Codes never change meaning; new ones may be added. The tree:

    GatewayError
    ├── LocalError                 our side, or the client we serve, must act
    │   ├── ConfigurationError     settings, agreements, policies; carries every finding at once
    │   ├── DocumentError          the XML door refused
    │   ├── SchemaError            XSD validation refused; carries violations
    │   ├── PolicyError            the view can not be built
    │   ├── AgreementError         no agreement permits this
    │   ├── AccessError            who is asking, and may they
    │   ├── RequestError           the request itself
    │   ├── TransferError          an act on a transfer is not possible
    │   ├── TrustError             keys and certificates of our own
    │   └── StorageError           the store could not answer
    └── PeerError                  the partner, or the way to it
        ├── EnvelopeError          a JWS or JWE that must not be believed
        └── ChannelError           transport

Texts say what happened, where, and what to do next. They never hold a value of a document or a byte of a key.
A partner sees `public_code`, which is one code for all cryptographic failures (no oracle; RFC 7516 §11.5).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

__all__ = [
    "CATALOGUE",
    "AccessError",
    "AgreementError",
    "ChannelError",
    "ConfigurationError",
    "DocumentError",
    "EnvelopeError",
    "ErrorCode",
    "Finding",
    "GatewayError",
    "Level",
    "LocalError",
    "PeerError",
    "PolicyError",
    "RequestError",
    "SchemaError",
    "StorageError",
    "TransferError",
    "TrustError",
    "Violation",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCode:
    """One line of the catalogue. `public_code` is what a partner sees; `status` is the HTTP status (RFC 9110)."""

    code: str
    title: str
    status: int
    retryable: bool = False
    public_code: str


class Level(StrEnum):
    """How bad a finding is. With an error nothing starts; a warning is logged and told, and does not stop anything."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong in a settings, agreement or policy file: where (file, line from 1, key), what, and the mend."""

    file: str
    line: int | None = None
    key: str = ""
    problem: str
    fix: str
    level: Level = Level.ERROR

    @property
    def is_error(self) -> bool:
        """Whether nothing may start with it."""
        return self.level is Level.ERROR

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        key = f" [{self.key}]" if self.key else ""
        return f"{place}{key}: {self.problem}. {self.fix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One thing wrong in a document: what, where, what was expected, what to do. Holds no value of the document.

    `code`: what kind of check refused it, of a small stable list. `rule`: the rule that is broken, such as `too_long`,
    `code_list:iso-4217` or the id of a profile rule. `path` has item indexes, `line` counts from 1. `wco_id` and
    `wco_name` come from the schema set and are empty where it has none. `value` is None unless the submitter asked to
    see it; it goes back to the submitter and nowhere else.
    """

    code: str
    rule: str = ""
    path: str
    line: int | None = None
    wco_id: str = ""
    wco_name: str = ""
    message: str
    expected: str = ""
    fix: str = ""
    value: str | None = field(default=None, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return the members shown to people and programs; `value` only where there is one."""
        told = {
            "code": self.code,
            "rule": self.rule,
            "path": self.path,
            "line": self.line,
            "wco_id": self.wco_id,
            "wco_name": self.wco_name,
            "message": self.message,
            "expected": self.expected,
            "fix": self.fix,
        }
        return told if self.value is None else {**told, "value": self.value}


class GatewayError(Exception):
    """A failure with a code of the catalogue. `detail` is for who can act; `facts` are safe members."""

    def __init__(self, code: str, detail: str = "", *, facts: Mapping[str, Any] | None = None) -> None:
        self.entry: ErrorCode = CATALOGUE[code]
        self.detail = detail or self.entry.title
        self.facts: Mapping[str, Any] = MappingProxyType(dict(facts or {}))
        super().__init__(code, self.detail)

    @property
    def code(self) -> str:
        """The stable code, for example `document.doctype_refused`."""
        return self.entry.code

    @property
    def public_code(self) -> str:
        """The code a partner may be told."""
        return self.entry.public_code

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later without a change."""
        return self.entry.retryable

    def __str__(self) -> str:
        return f"{self.entry.code}: {self.detail}"

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross the process boundary from workers; Exception's own reduction would lose the facts.
        return (_rebuild, (type(self), self.code, self.detail, dict(self.facts), self._extra()))

    def _extra(self) -> dict[str, Any]:
        return {}


class LocalError(GatewayError):
    """Our side, or the client we serve, must act."""


class PeerError(GatewayError):
    """The partner, or the way to it, failed."""


class ConfigurationError(LocalError):
    """Files that must not be started with. `findings` holds every problem at once."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        findings: tuple[Finding, ...] = (),
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code, detail or "; ".join(str(finding) for finding in findings), facts=facts)
        self.findings = findings

    def _extra(self) -> dict[str, Any]:
        return {"findings": self.findings}


class DocumentError(LocalError):
    """The XML door refused the bytes."""


class SchemaError(LocalError):
    """A document breaks its schema set. `violations` is bounded and holds no value of the document."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        violations: tuple[Violation, ...] = (),
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code, detail, facts=facts)
        self.violations = violations

    def _extra(self) -> dict[str, Any]:
        return {"violations": self.violations}


class PolicyError(LocalError):
    """The policy can not be read, or no valid view can be built under it."""


class AgreementError(LocalError):
    """No agreement in force permits this exchange."""


class AccessError(LocalError):
    """Who is asking is unknown, or may not."""


class RequestError(LocalError):
    """The request itself is wrong."""


class TransferError(LocalError):
    """An act on a transfer is not possible in its state."""


class TrustError(LocalError):
    """Keys, certificates or revocation data of our own side."""


class StorageError(LocalError):
    """The store could not do what was asked."""


class EnvelopeError(PeerError):
    """A token that must not be believed. All of these look the same from outside."""


class ChannelError(PeerError):
    """Transport to a partner or back end failed."""


def _rebuild(
    kind: type[GatewayError], code: str, detail: str, facts: dict[str, Any], extra: dict[str, Any]
) -> GatewayError:
    return kind(code, detail, facts=facts, **extra)


def _entries() -> Mapping[str, ErrorCode]:
    crypto = "envelope.rejected"
    rows: tuple[tuple[str, str, int, bool, str | None], ...] = (
        # code, title, HTTP status, retryable, public code (None: the same)
        ("config.invalid", "The configuration has errors", 500, False, "internal"),
        ("config.reload_refused", "The rules can not be reloaded as the files stand", 409, False, None),
        ("config.not_found", "A configuration file does not exist", 500, False, "internal"),
        ("document.too_large", "The document is larger than the limit", 413, False, None),
        ("document.empty", "The document is empty", 400, False, None),
        ("document.encoding_refused", "Only UTF-8 is accepted", 400, False, None),
        ("document.doctype_refused", "A document type declaration is never accepted", 400, False, None),
        ("document.not_well_formed", "The document is not well-formed XML", 400, False, None),
        ("document.too_deep", "The document is nested deeper than the limit", 400, False, None),
        ("document.too_many_elements", "The document has more elements than the limit", 400, False, None),
        (
            "document.too_many_attributes",
            "There are more attributes than the limit",
            400,
            False,
            None,
        ),
        ("document.unknown_root", "The root element is not a known WCO message", 422, False, None),
        ("document.unknown_kind", "The message kind can not be told from the document", 422, False, None),
        ("schema.invalid", "The document breaks its schema set", 422, False, None),
        ("schema.profile_broken", "The document breaks a rule of the agreement", 422, False, None),
        ("schema.path_unknown", "The schema set has no such path, WCO id or name", 404, False, "internal"),
        ("schema.unknown_set", "The schema set is not known here", 422, False, None),
        ("schema.kind_not_in_set", "The schema set does not cover this message kind", 422, False, None),
        ("schema.set_broken", "The schema set can not be loaded", 500, False, "internal"),
        ("schema.set_not_valid", "The schema set is outside its dates of validity", 422, False, None),
        ("schema.dialect_refused", "The schema uses what XSD 1.0 does not know", 500, False, "internal"),
        ("schema.archive_refused", "The archive of schemas is not safe to read", 400, False, "internal"),
        ("schema.choice_needed", "Several files are possible; a person must choose", 400, False, "internal"),
        ("schema.id_taken", "Another schema set has this id", 409, False, "internal"),
        ("schema.hash_mismatch", "The schema set is not the one that was agreed", 409, False, None),
        ("codelist.broken", "The code lists can not be loaded", 500, False, "internal"),
        ("codelist.unknown_list", "The code list is not known here", 422, False, None),
        ("codelist.unknown_code", "The code is not in its code list", 422, False, None),
        ("codelist.expired_code", "The code is not valid on this day", 422, False, None),
        ("policy.invalid", "The policy has errors", 500, False, "internal"),
        ("policy.view_invalid", "The view would break the schema set", 422, False, None),
        ("policy.nothing_kept", "The policy keeps nothing of this document", 422, False, None),
        ("policy.inconsistent", "Numbers, sums or pointers in the view would be wrong", 422, False, None),
        ("policy.not_permitted", "The policy does not permit that this message is sent", 422, False, None),
        ("policy.over_shared", "The message holds more than the agreement permits", 422, False, None),
        ("agreement.none", "No agreement permits this exchange", 422, False, None),
        ("agreement.not_in_force", "The agreement is not in force", 422, False, None),
        ("agreement.suspended", "The agreement is suspended", 422, False, None),
        ("agreement.kind_not_covered", "The agreement does not cover this message kind", 422, False, None),
        ("agreement.mismatch", "The agreement version or hash differs from ours", 409, False, None),
        ("access.token_missing", "A bearer token is required", 401, False, None),
        ("access.token_invalid", "The bearer token is not valid", 401, False, None),
        ("access.forbidden", "The client may not do this", 403, False, None),
        ("access.certificate_missing", "A client certificate is required", 401, False, None),
        ("access.certificate_refused", "The client certificate is not accepted", 403, False, None),
        ("request.malformed", "The request can not be understood", 400, False, None),
        ("request.not_found", "There is no such resource", 404, False, None),
        ("request.method_not_allowed", "The method is not allowed here", 405, False, None),
        ("request.too_large", "The request is larger than the limit", 413, False, None),
        ("request.media_type", "The media type is not accepted here", 415, False, None),
        ("request.idempotency_key_missing", "An Idempotency-Key header is required", 400, False, None),
        ("request.idempotency_key_reused", "The Idempotency-Key was used for another request", 422, False, None),
        ("request.idempotency_in_progress", "A request with this Idempotency-Key is being worked on", 409, True, None),
        ("request.recipients_refused", "The submission is refused for one or more recipients", 422, False, None),
        ("transfer.not_found", "There is no such transfer", 404, False, None),
        ("transfer.illegal_transition", "The act does not fit the state of the transfer", 409, False, None),
        ("transfer.held", "A person must release the transfer first", 409, False, None),
        ("transfer.own_submission", "Whoever handed the document in can not release it", 403, False, None),
        ("transfer.approved_before", "The same officer has approved it already", 409, False, None),
        ("transfer.prepared_again", "What was approved has changed; look at it and approve again", 409, False, None),
        ("transfer.stale", "The transfer changed meanwhile", 409, True, None),
        ("transfer.outcome_unknown", "The partner may already have this message", 409, False, None),
        ("transfer.skipped", "The transfer was skipped; submit the document again", 409, False, None),
        ("transfer.deadline", "The deadline of the agreement has passed", 409, False, None),
        ("transfer.attempts_exhausted", "All attempts the agreement allows were made", 409, False, None),
        ("transfer.lease_lost", "The lease ended before the attempt did", 409, True, None),
        ("transfer.purged", "The payload was deleted when its retention was over", 410, False, None),
        ("transfer.poisoned", "Processing the message ended its worker twice", 500, False, "internal"),
        ("hand_over.lease_lost", "The lease on this message has ended; lease it again", 409, False, None),
        ("hand_over.not_by_pull", "Messages for this party are not handed over by pull", 409, False, None),
        ("trust.key_unreadable", "A key file can not be read", 500, False, "internal"),
        ("trust.key_exposed", "A key file is readable by others", 500, False, "internal"),
        ("trust.key_unknown", "There is no key with this id", 500, False, "internal"),
        ("trust.certificate_invalid", "A certificate is not valid", 500, False, "internal"),
        ("trust.crl_stale", "The certificate revocation list is missing or out of date", 503, True, "unavailable"),
        ("trust.unsealing_failed", "Stored bytes can not be unsealed", 500, False, "internal"),
        ("storage.unavailable", "The store is not available", 503, True, "unavailable"),
        ("storage.commit_unknown", "The outcome of a commit is unknown", 503, True, "unavailable"),
        ("storage.locked", "Another process writes to this store", 503, False, "unavailable"),
        ("storage.schema_version", "The store has another version than this program", 500, False, "internal"),
        ("storage.rolled_back", "The store lies behind what was written", 500, False, "internal"),
        ("storage.corrupt", "Stored data is damaged", 500, False, "internal"),
        ("storage.constraint", "The change breaks a rule of the store", 500, False, "internal"),
        ("storage.exposed", "The data folder is open to others", 500, False, "internal"),
        ("audit.broken", "The audit chain is broken", 500, False, "internal"),
        ("envelope.malformed", "The token is not a canonical compact form", 400, False, crypto),
        ("envelope.header_refused", "A header member is missing, unknown or not allowed", 400, False, crypto),
        ("envelope.algorithm_refused", "The algorithm is not of the crypto profile", 400, False, crypto),
        ("envelope.type_refused", "The token is of another type", 400, False, crypto),
        ("envelope.key_unknown", "The key id is not known", 400, True, "envelope.key_unknown"),
        ("envelope.key_revoked", "The key was revoked", 400, False, crypto),
        ("envelope.key_not_valid", "The key was not valid when the message was made", 400, False, crypto),
        ("envelope.decryption_failed", "The message can not be decrypted", 400, False, crypto),
        ("envelope.signature_invalid", "The signature is not valid", 400, False, crypto),
        ("envelope.sender_mismatch", "Certificate, signing key and sender name different parties", 403, False, crypto),
        ("envelope.recipient_mismatch", "The message is for another party", 403, False, crypto),
        ("envelope.expired", "The message expired", 422, False, None),
        ("envelope.created_in_future", "The message was created in the future", 422, True, None),
        ("envelope.header_disagrees", "The signed header does not describe the document", 422, False, None),
        ("receipt.invalid", "The receipt can not be believed", 502, True, None),
        ("receipt.not_bound", "The receipt is about another message", 502, True, None),
        ("notice.invalid", "The notice can not be believed", 422, False, None),
        ("notice.not_bound", "The notice is about another message", 422, False, None),
        ("notice.contradicts", "The notice says another time than the one before it", 409, False, None),
        ("message.id_reused", "Another message is known under this id", 409, False, None),
        ("message.not_seen", "The receiver has sworn never to have had this message", 409, False, None),
        ("message.answers_unknown", "It answers a message that these two parties did not exchange", 422, False, None),
        ("channel.unreachable", "The other side can not be reached", 502, True, None),
        ("channel.timeout", "The other side did not answer in time", 504, True, None),
        ("channel.interrupted", "The connection broke before the whole answer came", 502, True, None),
        ("channel.tls_refused", "The TLS handshake was refused", 502, True, None),
        ("channel.busy", "The other side asks to come back later", 503, True, None),
        ("channel.unexpected_answer", "The other side answered something unexpected", 502, True, None),
        ("channel.refused", "The back end refused the message", 502, True, None),
        ("channel.folder_unusable", "The folder of the back end can not be used", 502, True, None),
        ("channel.folder_full", "The folder of the back end is full", 502, True, None),
        ("channel.folder_occupied", "Something else stands under the name of the message", 502, True, None),
        ("capacity.exhausted", "The gateway is at its limit; come back later", 503, True, "busy"),
        ("capacity.share_exhausted", "Too many of your requests are in work; come back later", 429, True, "busy"),
        ("node.draining", "The node is being drained and takes nothing new", 503, True, "unavailable"),
        ("node.not_ready", "The node is not ready", 503, True, "unavailable"),
        ("internal", "Something went wrong inside the gateway", 500, True, "internal"),
    )
    return MappingProxyType(
        {
            code: ErrorCode(code=code, title=title, status=status, retryable=retryable, public_code=public or code)
            for code, title, status, retryable, public in rows
        }
    )


CATALOGUE: Final[Mapping[str, ErrorCode]] = _entries()
