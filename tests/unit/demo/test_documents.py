"""The programme of the demo is every sample and one refusal for each reason."""

from gateway.demo.documents import load_programme
from gateway.demo.stage import FR, GB
from gateway.domain.message import MessageKind

PROGRAMME = load_programme()


def test_every_sample_travels() -> None:
    assert len(PROGRAMME.documents) >= 24
    assert {one.kind for one in PROGRAMME.documents} == set(MessageKind)
    assert {(one.sender, one.recipient) for one in PROGRAMME.documents} == {(GB, FR), (FR, GB)}
    assert all(len(one.arrives) == 2 for one in PROGRAMME.documents)
    assert sum(len(one.stays) for one in PROGRAMME.documents) > 50


def test_every_answer_answers_a_document_of_the_other_side() -> None:
    answers = [one for one in PROGRAMME.documents if one.answers]
    assert len(answers) == sum(one.kind is MessageKind.RESPONSE for one in PROGRAMME.documents)
    for one in answers:
        assert PROGRAMME.named(one.answers or "").sender == one.recipient


def test_the_conversation_goes_both_ways() -> None:
    senders = [PROGRAMME.named(name).sender for name in PROGRAMME.conversation]
    assert senders == [GB, FR, GB, FR, GB]


def test_there_is_one_refusal_for_each_reason() -> None:
    assert {one.why: one.code for one in PROGRAMME.refusals} == {
        "schema": "schema.invalid",
        "profile": "schema.profile_broken",
        "agreement": "agreement.none",
        "limits": "document.too_deep",
    }
