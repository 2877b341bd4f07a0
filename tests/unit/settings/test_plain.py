"""What is no plain file is refused at once, wherever a file of rules is read; a named pipe holds nothing up."""

import os
from pathlib import Path

import pytest

from gateway.bundled import config_folder, schema_folder
from gateway.errors import ConfigurationError
from gateway.settings import load_agreements, load_catalogue, plain_bytes, read_policy_file


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def test_a_file_is_read_and_no_more_of_it_than_asked(tmp_path: Path) -> None:
    file = tmp_path / "plain.yaml"
    file.write_bytes(b"policy: x")
    assert plain_bytes(file) == b"policy: x"
    assert plain_bytes(file, 3) == b"pol"


def test_a_pipe_a_folder_a_device_and_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="pipe or a device"):
        plain_bytes(pipe(tmp_path / "pipe.yaml"))
    with pytest.raises(IsADirectoryError):
        plain_bytes(tmp_path)
    (tmp_path / "zero").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="pipe or a device"):
        plain_bytes(tmp_path / "zero")
    with pytest.raises(FileNotFoundError):
        plain_bytes(tmp_path / "none")


def test_what_a_shell_hands_over_is_read() -> None:
    read, write = os.pipe()
    os.write(write, b"<MetaData/>")
    os.close(write)
    assert plain_bytes(Path(f"/dev/fd/{read}"), 100) == b"<MetaData/>"
    os.close(read)


def test_a_policy_or_an_include_that_is_a_pipe_is_told_and_waited_for_by_nobody(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="pipe or a device"):
        read_policy_file(pipe(tmp_path / "policy.yaml"))
    pipe(tmp_path / "part.yaml")
    policy = tmp_path / "including.yaml"
    policy.write_text("policy: x\nversion: 1\nschema_set: dms-declaration\ninclude: [part.yaml]\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_policy_file(policy)
    assert any("part.yaml" in one.problem for one in caught.value.findings)


def test_an_agreement_in_the_place_of_a_policy_and_the_other_way_is_told_in_one_sentence() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_policy_file(config_folder() / "agreements" / "gb-no.yaml")
    assert [(one.key, one.problem) for one in caught.value.findings] == [("agreement", "is an agreement, not a policy")]
    with pytest.raises(ConfigurationError) as caught:
        load_agreements([config_folder() / "policies" / "transit-country.yaml"], load_catalogue(schema_folder()))
    assert [(one.key, one.problem) for one in caught.value.findings] == [("policy", "is a policy, not an agreement")]


def test_an_agreement_that_is_a_pipe_is_a_finding(tmp_path: Path) -> None:
    file = pipe(tmp_path / "gb-fr.yaml")
    with pytest.raises(ConfigurationError) as caught:
        load_agreements([tmp_path], load_catalogue(schema_folder()))
    assert [(one.file, one.problem) for one in caught.value.findings] == [(str(file), "can not be read")]
