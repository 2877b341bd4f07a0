"""What makes a set, what refuses one at load, and what its hash covers."""

import hashlib
import pickle
import socket
import subprocess
import sys

import pytest

from gateway.errors import SchemaError
from gateway.schema import assemble_set, compile_set, load_set, set_sha256
from tests.unit.schema.sets import DATA, FOREIGN, SET_IDS, files_of, foreign


def broken(files: dict[str, bytes], entry: str = "main/entry.xsd") -> SchemaError:
    with pytest.raises(SchemaError) as caught:
        compile_set(foreign(files, entry))
    assert caught.value.code == "schema.set_broken"
    return caught.value


def test_the_committed_sets_are_what_the_generator_writes() -> None:
    run = subprocess.run(
        [sys.executable, str(DATA / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.mark.parametrize("set_id", SET_IDS)
def test_a_bundled_set_loads_with_the_hash_of_its_manifest(set_id: str) -> None:
    loaded = load_set(files_of(set_id))
    assert loaded.id == set_id
    assert loaded.entry in loaded.files
    assert f'hash = "{loaded.sha256}"' in files_of(set_id)["manifest.toml"].decode()


def test_every_message_kind_has_one_bundled_set() -> None:
    kinds = [kind for set_id in SET_IDS for kind in load_set(files_of(set_id)).kinds]
    assert sorted(kinds) == ["amendment", "arrival", "cancellation", "declaration", "response"]


def test_the_hash_is_the_one_the_document_defines() -> None:
    files = {"b.xsd": b"2", "a/c.xsd": b"1"}
    line = "a/c.xsd\0" + hashlib.sha256(b"1").hexdigest() + "\nb.xsd\0" + hashlib.sha256(b"2").hexdigest() + "\n"
    expected = hashlib.sha256(("entry\0b.xsd\n" + line).encode()).hexdigest()
    assert set_sha256(files, "b.xsd") == expected
    assert set_sha256(files | {"manifest.toml": b"anything"}, "b.xsd") == expected


@pytest.mark.parametrize(
    "changed",
    [
        FOREIGN | {"types/t.xsd": FOREIGN["types/t.xsd"] + b" "},
        FOREIGN | {"extra.txt": b""},
        {f"moved/{path}": content for path, content in FOREIGN.items()},
    ],
)
def test_any_change_to_any_file_changes_the_hash(changed: dict[str, bytes]) -> None:
    assert set_sha256(changed, "main/entry.xsd") != set_sha256(FOREIGN, "main/entry.xsd")


def test_another_entry_into_the_same_files_is_another_set() -> None:
    assert foreign().sha256 != foreign(entry="types/t.xsd").sha256


@pytest.mark.parametrize("set_id", SET_IDS)
def test_one_changed_byte_is_a_hash_mismatch(set_id: str) -> None:
    files = files_of(set_id)
    files["MetaData.xsd"] += b"\n"
    with pytest.raises(SchemaError) as caught:
        load_set(files)
    assert caught.value.code == "schema.hash_mismatch"


@pytest.mark.parametrize(
    "manifest",
    [
        None,
        b"",
        b"not toml",
        b"\xff",
        b'id = "a"',
        b'id = 1\nrelease = "a"\ntitle = "a"\nentry = "a"\nkinds = ["response"]\nroots = ["a"]\nnamespaces = ["a"]',
        b'id = "a"\nrelease = "a"\ntitle = "a"\nentry = "a"\nkinds = "response"\nroots = ["a"]\nnamespaces = ["a"]',
    ],
)
def test_a_manifest_that_does_not_say_what_it_must_is_refused(manifest: bytes | None) -> None:
    files = files_of("dms-cancellation")
    del files["manifest.toml"]
    if manifest is not None:
        files["manifest.toml"] = manifest
    with pytest.raises(SchemaError) as caught:
        load_set(files)
    assert caught.value.code == "schema.set_broken"


@pytest.mark.parametrize("missing", list(FOREIGN))
def test_a_missing_file_refuses_the_whole_set(missing: str) -> None:
    error = broken({path: content for path, content in FOREIGN.items() if path != missing})
    assert missing in error.detail


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1:1/t.xsd", "https://example.org/t.xsd", "file:///etc/t.xsd", "/etc/t.xsd", "../../types/t.xsd"],
)
def test_a_reference_outside_the_set_refuses_it(location: str) -> None:
    entry = FOREIGN["main/entry.xsd"].replace(b"../types/t.xsd", location.encode())
    assert "main/entry.xsd" in broken(FOREIGN | {"main/entry.xsd": entry}).detail


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<a",
        b"<a/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]>' + FOREIGN["types/t.xsd"],
        FOREIGN["types/t.xsd"].replace(b"xs:decimal", b"xs:unheard"),
        FOREIGN["types/t.xsd"].replace(b"t:Long", b"t:Nowhere"),
    ],
)
def test_a_file_that_is_no_sound_schema_refuses_the_set(content: bytes) -> None:
    broken(FOREIGN | {"types/t.xsd": content})


def test_an_id_or_a_kind_that_can_not_be_named_is_refused() -> None:
    def assemble(set_id: str, kind: str) -> None:
        assemble_set(
            FOREIGN,
            set_id=set_id,
            release="1",
            title="t",
            entry="main/entry.xsd",
            kinds=[kind],
            roots=["a"],
            namespaces=["b"],
        )

    assemble("a-1", "response")
    for set_id, kind in (("../a", "response"), ("A", "response"), ("a-1", "letter")):
        with pytest.raises(SchemaError) as caught:
            assemble(set_id, kind)
        assert caught.value.code == "schema.set_broken"


def test_compiling_opens_no_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        hint = f'<xs:import namespace="urn:z" schemaLocation="http://127.0.0.1:{port}/z.xsd"/>'.encode()
        entry = FOREIGN["main/entry.xsd"].replace(b"<xs:include", hint + b"<xs:include")
        broken(FOREIGN | {"main/entry.xsd": entry})
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_set_travels_to_a_worker_and_a_compiled_one_does_not() -> None:
    loaded = load_set(files_of("dms-cancellation"))
    assert pickle.loads(pickle.dumps(loaded)) == loaded
    with pytest.raises(TypeError, match="SchemaSet"):
        pickle.dumps(compile_set(loaded))
