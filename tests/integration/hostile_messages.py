"""Rows: messages whose signature holds and that are refused all the same, each with a receipt bound to its digest."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from gateway.domain.ids import AgreementId, MessageId, SchemaSetId
from gateway.domain.message import MessageHeader, MessageKind
from tests.integration.hostile_stage import Row, Stage, aged, conflicting, refused
from tests.integration.one_gateway import DOCUMENT, MAX_DOCUMENT_BYTES
from tests.integration.scripted_partner import Sealed

_OTHER_HASH = "0" * 64


def _with(change: Callable[[Stage, MessageHeader], MessageHeader]) -> Callable[[Stage], Sealed]:
    def make(stage: Stage) -> Sealed:
        header = change(stage, stage.gb.header())
        return stage.gb.seal(stage.gb.sign(header), header)

    return make


def _header(**changes: Any) -> Callable[[Stage], Sealed]:
    return _with(lambda _stage, header: replace(header, **changes))


def _under(agreement: str) -> Callable[[Stage], Sealed]:
    """Return a message that names another of the agreements both sides hold."""
    return _with(
        lambda stage, header: replace(header, agreement=stage.gb.rulebook.version(AgreementId(agreement), 1).ref)
    )


def _agreement(**changes: Any) -> Callable[[Stage], Sealed]:
    return _with(lambda _stage, header: replace(header, agreement=replace(header.agreement, **changes)))


def _terms(**changes: Any) -> Callable[[Stage], Sealed]:
    return _with(lambda _stage, header: replace(header, terms=replace(header.terms, **changes)))


def _view(change: Callable[[bytes], bytes]) -> Callable[[Stage], Sealed]:
    def make(stage: Stage) -> Sealed:
        changed = change(stage.gb.view)
        assert changed != stage.gb.view
        return stage.gb.message(changed)

    return make


def _replaced(old: bytes, new: bytes) -> Callable[[Stage], Sealed]:
    return _view(lambda view: view.replace(old, new, 1))


def _again(
    change: Callable[[Stage, MessageHeader], MessageHeader], payload: bytes | None = None
) -> Callable[[Stage], Sealed]:
    """Return another message under the id of the known one."""

    def make(stage: Stage) -> Sealed:
        header = change(stage, replace(stage.gb.header(), message_id=stage.known.header.message_id))
        return stage.gb.seal(stage.gb.sign(header, payload), header)

    return make


def _in_reply_to_another(stage: Stage, header: MessageHeader) -> MessageHeader:
    """Return the header of an answer to the message that NL has taken."""
    ((message_id, conversation),) = stage.world.ask("SELECT message_id, conversation FROM transfer")
    return replace(header, in_reply_to=message_id, conversation=conversation)


_NOBODYS = MessageId("01950000-0000-7000-8000-00000000ffff")
_CONTACT = b"<dec:Communication><dec:ID>a@nowhere.example</dec:ID><dec:TypeCode>EM</dec:TypeCode></dec:Communication>"
_CARRIER = b"</dec:Address></dec:Carrier>"
_ROOT = b"<md:MetaData "

AGREEMENTS = [
    refused("expired", _with(lambda _, header: aged(header, timedelta(days=8))), "envelope.expired"),
    refused("an agreement nobody has", _agreement(id=AgreementId("gb-xx")), "agreement.none"),
    refused("a version nobody has", _agreement(version=2), "agreement.none"),
    refused("another text of the agreement", _agreement(sha256=_OTHER_HASH), "agreement.mismatch"),
    refused("a suspended agreement", _under("gb-fr-suspended"), "agreement.suspended"),
    refused("an agreement that ended", _under("gb-fr-ended"), "agreement.not_in_force"),
    refused("another party's agreement", _under("fr-nl"), "agreement.kind_not_covered"),
    refused("a kind that is not covered", _header(kind=MessageKind.CANCELLATION), "agreement.kind_not_covered"),
    refused("another schema set", _header(schema_set=SchemaSetId("dms-response")), "envelope.header_disagrees"),
    refused("another content of the set", _header(schema_set_sha256=_OTHER_HASH), "envelope.header_disagrees"),
    refused("another policy", _header(policy_sha256=_OTHER_HASH), "envelope.header_disagrees"),
    refused("another purpose", _terms(purpose="Anything at all"), "envelope.header_disagrees"),
    refused("a longer retention", _terms(retention_days=36500), "envelope.header_disagrees"),
    refused(
        "a longer life than agreed",
        _with(lambda _, header: replace(header, expires=header.expires + timedelta(days=1))),
        "envelope.header_disagrees",
    ),
    refused(
        "a life to the end of time",
        _with(lambda _, header: replace(header, expires=header.expires.replace(year=9999))),
        "envelope.header_disagrees",
    ),
    refused("another kind than the document", _header(kind=MessageKind.ARRIVAL), "envelope.header_disagrees"),
    refused(
        "a kind of another set than the document",
        lambda stage: stage.gb.message(kind=MessageKind.RESPONSE),
        "envelope.header_disagrees",
    ),
]

DOCUMENTS = [
    refused("an unknown element", _replaced(_CARRIER, b"<dec:Nope/>" + _CARRIER), "schema.invalid"),
    refused("a missing element", _replaced(b"<dec:FunctionCode>9</dec:FunctionCode>", b""), "schema.invalid"),
    refused(
        "an element too many",
        _replaced(_CARRIER, b"</dec:Address>" + _CONTACT + b"</dec:Carrier>"),
        "policy.over_shared",
    ),
    refused("an attribute too many", _replaced(b"<dec:TypeCode>", b'<dec:TypeCode name="x">'), "policy.over_shared"),
    refused("a comment", _replaced(_CARRIER, b"<!-- x -->" + _CARRIER), "policy.over_shared"),
    refused("a processing instruction", _replaced(_CARRIER, b"<?x y?>" + _CARRIER), "policy.over_shared"),
    refused("a namespace of its own", _replaced(_ROOT, b'<md:MetaData xmlns:x="urn:x:secret" '), "policy.over_shared"),
    refused("the whole document", lambda stage: stage.gb.message(DOCUMENT.read_bytes()), "policy.over_shared"),
    refused(
        "a document type", _view(lambda view: view.replace(b"?>", b"?><!DOCTYPE a>", 1)), "document.doctype_refused"
    ),
    refused("UTF-16", _view(lambda view: view.decode().encode("utf-16")), "document.encoding_refused"),
    refused("no XML", _view(lambda view: view[:-1]), "document.not_well_formed"),
    refused("an empty document", _view(lambda _: b""), "document.empty"),
    refused("a root nobody knows", _view(lambda _: b"<a/>"), "document.unknown_root"),
    refused("a tower of elements", _view(lambda _: b"<a>" * 65 + b"</a>" * 65), "document.too_deep"),
    refused(
        "a document over the agreed size", _view(lambda view: view + b" " * MAX_DOCUMENT_BYTES), "document.too_large"
    ),
]

ANSWERS = [
    refused("an answer to nothing", _header(in_reply_to=_NOBODYS), "message.answers_unknown"),
    refused("an answer to what another partner has", _with(_in_reply_to_another), "message.answers_unknown"),
    refused(
        "an answer to itself",
        _with(lambda _, header: replace(header, in_reply_to=header.message_id)),
        "message.answers_unknown",
    ),
    refused(
        "an answer to what it sent itself",
        _with(
            lambda stage, header: replace(
                header, in_reply_to=stage.known.header.message_id, conversation=stage.known.header.conversation
            )
        ),
        "message.answers_unknown",
    ),
]

CONFLICTS = [
    conflicting("other content under a known id", _again(lambda _, header: header)),
    conflicting(
        "other content under a known id, and expired", _again(lambda _, header: aged(header, timedelta(days=8)))
    ),
    conflicting(
        "other content under a known id, and over-shared", _again(lambda _, header: header, DOCUMENT.read_bytes())
    ),
    conflicting(
        "the known message with another nonce", _again(lambda stage, _: replace(stage.known.header, nonce=bytes(16)))
    ),
]

ROWS: list[Row] = [*AGREEMENTS, *DOCUMENTS, *ANSWERS, *CONFLICTS]
