"""What every Sealer must do; and what every Sealer that really seals must do."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.jobs import ReferenceKind
from gateway.errors import TrustError
from gateway.ports import Sealer
from gateway.trust import FileSealer, PlainSealer, create_at_rest_key


def _file_sealer(folder: Path) -> Sealer:
    create_at_rest_key(folder / "at-rest.key.json")
    return FileSealer(folder / "at-rest.key.json")


SEALED: dict[str, Callable[[Path], Sealer]] = {"file": _file_sealer}
ALL: dict[str, Callable[[Path], Sealer]] = {**SEALED, "plain": lambda _: PlainSealer()}
every_sealer = pytest.mark.parametrize("name", ALL)
every_real_sealer = pytest.mark.parametrize("name", SEALED)

_made: dict[str, Sealer] = {}


@pytest.fixture(scope="module", autouse=True)
def sealers(tmp_path_factory: pytest.TempPathFactory) -> None:
    _made.update({name: build(tmp_path_factory.mktemp(name)) for name, build in ALL.items()})


@every_sealer
@settings(deadline=None)  # other work shares the machine
@given(plaintext=st.binary(max_size=512), row=st.text(max_size=40))
def test_what_was_sealed_comes_back_from_its_row(name: str, plaintext: bytes, row: str) -> None:
    sealer = _made[name]
    assert sealer.unseal(sealer.seal(plaintext, row=row), row=row) == plaintext


@every_sealer
@settings(deadline=None)  # other work shares the machine
@given(values=st.lists(st.tuples(st.sampled_from(ReferenceKind), st.text(max_size=40)), unique=True, max_size=8))
def test_an_index_is_stable_and_tells_kinds_and_values_apart(
    name: str, values: list[tuple[ReferenceKind, str]]
) -> None:
    sealer = _made[name]
    indexes = [sealer.index(kind, value) for kind, value in values]
    assert indexes == [sealer.index(kind, value) for kind, value in values]
    assert len(set(indexes)) == len(values)


@every_real_sealer
@settings(deadline=None)  # other work shares the machine
@given(data=st.data(), plaintext=st.binary(max_size=200))
def test_a_flipped_bit_anywhere_is_noticed(name: str, data: st.DataObject, plaintext: bytes) -> None:
    sealed = bytearray(_made[name].seal(plaintext, row="transfer:1"))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= 1 << data.draw(st.integers(0, 7))
    expect_refusal(_made[name], bytes(sealed), "transfer:1")


@every_real_sealer
@settings(deadline=None)  # other work shares the machine
@given(data=st.data())
def test_a_cut_or_longer_blob_is_noticed(name: str, data: st.DataObject) -> None:
    sealed = _made[name].seal(b"plaintext", row="transfer:1")
    cut = data.draw(st.integers(0, len(sealed) - 1))
    for changed in (sealed[:cut], sealed[cut:][1:], sealed + b"\0"):
        expect_refusal(_made[name], changed, "transfer:1")


@every_real_sealer
@settings(deadline=None)  # other work shares the machine
@given(rows=st.lists(st.text(max_size=20), min_size=2, max_size=2, unique=True))
def test_a_blob_can_not_be_moved_to_another_row(name: str, rows: list[str]) -> None:
    expect_refusal(_made[name], _made[name].seal(b"plaintext", row=rows[0]), rows[1])


@every_real_sealer
def test_sealing_the_same_twice_shows_nothing_in_common(name: str) -> None:
    first, second = (_made[name].seal(b"the same plaintext", row="row") for _ in range(2))
    assert first != second
    assert b"plaintext" not in first
    assert "value" not in _made[name].index(ReferenceKind.LRN, "value")


def expect_refusal(sealer: Sealer, sealed: bytes, row: str) -> None:
    with pytest.raises(TrustError) as caught:
        sealer.unseal(sealed, row=row)
    # A changed key id can not be told from a key that is not here.
    assert caught.value.code in {"trust.unsealing_failed", "trust.key_unknown"}
