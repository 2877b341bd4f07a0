"""At-rest keys: rotation, key files, and what must never be shown."""

import json
import os
import pickle
from pathlib import Path

import pytest

from gateway.domain.jobs import ReferenceKind
from gateway.errors import ConfigurationError, TrustError
from gateway.trust import FileSealer, create_at_rest_key, rotate_at_rest_key
from gateway.trust.sealing import OVERHEAD_BYTES


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.json"
    create_at_rest_key(path)
    return path


@pytest.fixture
def new(old: Path) -> Path:
    path = old.with_name("new.json")
    rotate_at_rest_key(old, path)
    return path


def test_after_rotation_old_blobs_open_and_the_new_key_seals(old: Path, new: Path) -> None:
    before = FileSealer(old).seal(b"old", row="r")
    rotated = FileSealer(new, retired=[old])
    assert rotated.unseal(before, row="r") == b"old"
    with pytest.raises(TrustError) as caught:
        FileSealer(old).unseal(rotated.seal(b"new", row="r"), row="r")
    assert caught.value.code == "trust.key_unknown", "the key can be put back, so nothing is lost"


def test_an_index_survives_rotation(old: Path, new: Path) -> None:
    rotated = FileSealer(new, retired=[old])
    assert rotated.index(ReferenceKind.MRN, "26GB1") == FileSealer(old).index(ReferenceKind.MRN, "26GB1")


def test_a_new_key_that_is_no_rotation_is_refused_beside_the_old(old: Path, tmp_path: Path) -> None:
    create_at_rest_key(tmp_path / "other.json")
    with pytest.raises(TrustError, match="index secret"):
        FileSealer(tmp_path / "other.json", retired=[old])
    with pytest.raises(TrustError, match="twice"):
        FileSealer(old, retired=[old])


def test_two_nodes_index_the_same_value_differently(old: Path, tmp_path: Path) -> None:
    create_at_rest_key(tmp_path / "other.json")
    indexes = {FileSealer(path).index(ReferenceKind.LRN, "L1") for path in (old, tmp_path / "other.json")}
    assert len(indexes) == 2


@pytest.mark.parametrize("size", [0, 1, 5000])
def test_the_overhead_is_what_it_says(old: Path, size: int) -> None:
    assert len(FileSealer(old).seal(os.urandom(size), row="r")) == size + OVERHEAD_BYTES


def test_what_repeats_is_sealed_smaller_and_its_form_is_bound_to_it(old: Path) -> None:
    sealer = FileSealer(old)
    plaintext = b"<GoodsItem><SequenceNumeric>1</SequenceNumeric></GoodsItem>" * 200
    sealed = bytearray(sealer.seal(plaintext, row="r"))
    assert len(sealed) < len(plaintext) / 10
    assert sealer.unseal(bytes(sealed), row="r") == plaintext
    for form in range(256):
        if form != sealed[1]:
            with pytest.raises(TrustError, match="unsealing_failed"):
                sealer.unseal(bytes(sealed[:1]) + bytes([form]) + bytes(sealed[2:]), row="r")


def test_a_key_file_is_private_and_never_overwritten(old: Path) -> None:
    assert old.stat().st_mode & 0o777 == 0o600
    content = old.read_bytes()
    with pytest.raises(ConfigurationError, match="exists already"):
        create_at_rest_key(old)
    assert old.read_bytes() == content
    assert [one.name for one in old.parent.iterdir()] == [old.name]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o610])
def test_a_key_file_that_others_may_touch_is_refused(old: Path, mode: int) -> None:
    old.chmod(mode)
    with pytest.raises(TrustError) as caught:
        FileSealer(old)
    assert caught.value.code == "trust.key_exposed"


@pytest.mark.parametrize(
    "change",
    [{"key": "00"}, {"key": "zz" * 32}, {"id": 7}, {"format": "other"}, {"more": 1}],
)
def test_a_malformed_key_file_is_refused_without_showing_it(old: Path, change: dict[str, object]) -> None:
    members = json.loads(old.read_bytes())
    secret = members["index_secret"]
    old.write_text(json.dumps({**members, **change}))
    with pytest.raises(TrustError) as caught:
        FileSealer(old)
    assert caught.value.code == "trust.key_unreadable"
    assert secret not in _everything(caught.value)


def test_a_torn_key_file_is_refused_without_showing_it(old: Path) -> None:
    content = old.read_bytes()
    secret = json.loads(content)["key"]
    old.write_bytes(content[:-5])
    with pytest.raises(TrustError) as caught:
        FileSealer(old)
    assert secret not in _everything(caught.value)


def test_a_sealer_shows_no_key_and_is_never_pickled(old: Path) -> None:
    sealer = FileSealer(old)
    members = json.loads(old.read_bytes())
    assert members["key"] not in repr(sealer)
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(sealer)


def _everything(error: BaseException | None) -> str:
    text = ""
    while error is not None:
        text += repr(error) + repr(vars(error))
        error = error.__cause__ or error.__context__
    return text
