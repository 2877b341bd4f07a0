"""What goes between a node and its workers comes out as it went in."""

import gc
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import pytest

from gateway.domain.ids import AgreementId, MessageId, PartyId, TransferId
from gateway.domain.jobs import CheckJob, SealJob
from gateway.domain.message import AgreementRef
from gateway.errors import GatewayError
from gateway.workers.pack import pack, unpack

NOW = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    only: object


@dataclass(frozen=True, slots=True)
class Two:
    first: object
    second: object = None


@dataclass(frozen=True, slots=True)
class Three(Two):
    third: object = None


@dataclass(frozen=True, slots=True)
class Empty:
    pass


@dataclass(slots=True)
class Changing:
    number: int


@dataclass
class Open:
    number: int


@dataclass(frozen=True, slots=True)
class _Texts:
    shown: str
    hidden: str = "hidden"


class OfItsOwn(_Texts):
    """Says itself how it is to be pickled: without what it must not show. Below the dataclass, for the decorator of the
    first 3.11 puts its own way in the place of any."""

    __slots__ = ()

    def __getstate__(self) -> Any:
        return self.shown

    def __setstate__(self, state: Any) -> None:
        object.__setattr__(self, "shown", state)
        object.__setattr__(self, "hidden", "left out")


JOB = SealJob(
    transfer_id=TransferId("t"),
    message_id=MessageId("m"),
    sender=PartyId("GB-HMRC"),
    recipient=PartyId("FR-DGDDI"),
    sealed_jws=bytes(range(256)) * 300,
    now=NOW,
)
CHECK = CheckJob(
    token="ü" * 70_000,
    message_id=MessageId("m"),
    digest="d",
    envelope_sha256=None,
    sender=PartyId("GB-HMRC"),
    recipient=PartyId("FR-DGDDI"),
    agreement=AgreementRef(id=AgreementId("gb-fr"), version=3, sha256="0" * 64),
    now=NOW,
)


@pytest.mark.parametrize(
    "value",
    [
        (JOB, CHECK, JOB),
        Single(only=Single(only=frozenset({1, 2}))),
        Two(Colour.RED, {"day": NOW, "wait": timedelta(seconds=3)}),
        Three(1, Two(2), third=[Empty(), Changing(4), Open(5)]),
        [Colour, Two, re.compile("a+"), complex(1, 2), len],
        OfItsOwn("seen", "left out"),
    ],
    ids=["jobs", "one field", "enum and times", "inherited fields", "what the library knows", "its own way"],
)
def test_what_is_packed_comes_out_equal(value: object) -> None:
    assert unpack(pack(value)) == value


def test_what_says_itself_how_it_is_pickled_is_believed() -> None:
    assert unpack(pack(OfItsOwn("seen"))) == OfItsOwn("seen", "left out")


def test_one_value_in_two_places_stays_one_value() -> None:
    one = Two("a", "b")
    first, second = unpack(pack([one, one]))
    assert first is second


def test_what_was_frozen_comes_out_frozen() -> None:
    with pytest.raises(AttributeError):
        unpack(pack(JOB)).now = NOW


def test_an_error_keeps_its_code_and_its_detail() -> None:
    error = unpack(pack(GatewayError("capacity.exhausted", "come back")))
    assert (type(error), error.code, error.detail) == (GatewayError, "capacity.exhausted", "come back")


def test_what_can_not_be_pickled_says_so() -> None:
    with pytest.raises((TypeError, AttributeError)):
        pack(Two(lambda: None))


def test_a_frame_that_an_error_keeps_is_collected_like_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    # On Python 3.12 the collector crashed over a view of a BytesIO in a cycle; on 3.13 it complained.
    complaints: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda met: complaints.append(met.exc_value))
    kept: list[object] = [pack(Two("first"))]
    kept.append(kept)
    del kept
    gc.collect()
    assert complaints == []
