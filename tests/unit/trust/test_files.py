"""Private files are private from their first moment, whole or absent, and never overwritten."""

import os
from datetime import datetime
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError, TrustError
from gateway.trust.files import as_utc, make_private_folder, read_public, read_secret, replace_file, write_secret


def test_a_secret_has_mode_0600_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_private_folder(tmp_path / "a" / "b")
        write_secret(tmp_path / "a" / "b" / "key", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a" / "b" / "key").stat().st_mode & 0o777 == 0o600
    assert {(tmp_path / one).stat().st_mode & 0o777 for one in ("a", "a/b")} == {0o700}
    assert read_secret(tmp_path / "a" / "b" / "key") == b"x"


def test_what_exists_is_never_overwritten_and_no_draft_stays(tmp_path: Path) -> None:
    write_secret(tmp_path / "key", b"first")
    with pytest.raises(ConfigurationError, match="exists already"):
        write_secret(tmp_path / "key", b"second")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("key", b"first")]


def test_a_replacement_is_a_new_file_in_one_step(tmp_path: Path) -> None:
    replace_file(tmp_path / "list", b"first")
    with (tmp_path / "list").open("rb") as reader:
        replace_file(tmp_path / "list", b"second")
        assert reader.read() == b"first"
    assert (tmp_path / "list").read_bytes() == b"second"


def test_what_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrustError) as caught:
        read_secret(tmp_path / "absent")
    assert caught.value.code == "trust.key_unreadable"
    with pytest.raises(TrustError) as caught:
        read_secret(tmp_path)
    assert caught.value.code == "trust.key_unreadable"
    with pytest.raises(ConfigurationError) as missing:
        read_public(tmp_path / "absent")
    assert missing.value.code == "config.not_found"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        as_utc(datetime(2026, 1, 1))  # noqa: DTZ001  that is the point
