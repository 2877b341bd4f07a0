"""Partner bundles: public, strict, and comparable by people."""

import json
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError, GatewayError
from gateway.trust import fingerprints, load_bundle, write_bundle_json
from tests.pki import TestPki, write_bundle


@pytest.fixture
def file(pki: TestPki) -> Path:
    return pki["GB-HMRC"].bundle


def test_a_bundle_comes_back_as_it_was_written(file: Path) -> None:
    bundle = load_bundle(file)
    assert write_bundle_json(bundle) == file.read_bytes()
    assert (bundle.party, len(bundle.signing), len(bundle.encryption)) == ("GB-HMRC", 1, 1)
    assert (len(bundle.roots), len(bundle.intermediates)) == (1, 1)


def test_a_bundle_holds_no_private_key(file: Path) -> None:
    assert b"PRIVATE" not in file.read_bytes()


def test_fingerprints_change_with_any_part(pki: TestPki, file: Path) -> None:
    lines = fingerprints(load_bundle(file))
    assert [label for label, _ in lines] == ["signing", "encryption", "authority", "authority", "bundle"]
    assert all(len(mark) == 95 for _, mark in lines)
    write_bundle(pki["GB-HMRC"], pinned_tls=[pki["GB-HMRC"].tls.certificate])
    pinned = fingerprints(load_bundle(file))
    assert [label for label, _ in pinned][-2:] == ["tls pin", "bundle"]
    assert pinned[-1] != lines[-1]


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"format": "wco-gateway-partner-bundle/2"},
        {"party": "nobody"},
        {"party": 7},
        {"signing": "text"},
        {"signing": []},
        {"signing": ["text"]},
        {"encryption": [None]},
        {"tls_pins": ["AB"]},
        {"tls_pins": [""] * 100},
    ],
)
def test_anything_else_is_refused_naming_the_file(file: Path, change: dict[str, object]) -> None:
    file.write_text(json.dumps({**json.loads(file.read_bytes()), **change}))
    with pytest.raises(GatewayError, match=r"bundle\.json") as caught:
        load_bundle(file)
    assert caught.value.code in {"config.invalid", "trust.certificate_invalid"}


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"party": "GB-HMRC", "party": "FR-DGDDI"}', "\xff"])
def test_what_is_no_bundle_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "b.json").write_text(text, encoding="latin-1")
    with pytest.raises(ConfigurationError) as caught:
        load_bundle(tmp_path / "b.json")
    assert caught.value.code == "config.invalid"


def test_a_doubled_member_is_refused(file: Path) -> None:
    file.write_text(file.read_text().replace('"party"', '"party": "FR-DGDDI", "party"'))
    with pytest.raises(ConfigurationError):
        load_bundle(file)


def test_two_certificates_in_one_text_are_refused(file: Path) -> None:
    members = json.loads(file.read_bytes())
    members["signing"] = ["".join(members["signing"] + members["encryption"])]
    file.write_text(json.dumps(members))
    with pytest.raises(GatewayError, match="several"):
        load_bundle(file)
