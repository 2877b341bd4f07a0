"""The sets that documents are grown from: the bundled ones, one of them with values that may be nil, and small ones."""

import io
from dataclasses import replace
from functools import cache

from lxml import etree

from gateway.bundled import schema_folder
from gateway.domain.ids import SchemaSetId
from gateway.schema import CompiledSet, assemble_set, compile_set, parse_privacy
from gateway.settings import load_catalogue
from tests.oracle.selecting import Privacy, read_privacy
from tests.oracle.xsd_paths import Place, read_files
from tests.unit.policy.shrunk import shrunk_files
from tests.unit.schema.sets import DATA, files_of

PRIVACY = DATA / "privacy" / "dms.toml"
NILLABLE = "dms-declaration-nil"
"""The declaration set, but every optional element in it may say `xsi:nil`."""
_OF = "dms-declaration"
_SMALL = "-small-"


def small(base: str, seed: int) -> str:
    """Return the name of a small set made of a bundled one (shrunk.py)."""
    return f"{base}{_SMALL}{seed}"


def base_of(set_id: str) -> str:
    """Return the bundled set that one is made of, or is."""
    return _OF if set_id == NILLABLE else set_id.partition(_SMALL)[0]


@cache
def set_files(set_id: str) -> dict[str, bytes]:
    """Return the XSD files of a set by name."""
    files = {name: raw for name, raw in files_of(base_of(set_id)).items() if name.endswith(".xsd")}
    if _SMALL in set_id:
        return shrunk_files(files, int(set_id.partition(_SMALL)[2]))
    if set_id == NILLABLE:
        files = {name: raw.replace(b' minOccurs="0"', b' minOccurs="0" nillable="true"') for name, raw in files.items()}
        # A reference and a wildcard can not say it; neither stands here with minOccurs="0".
        assert not any(
            b"xs:any " in line and b"nillable" in line for raw in files.values() for line in raw.split(b"\n")
        )
    return files


@cache
def set_places(set_id: str) -> dict[str, Place]:
    """Return what the oracle's own reader finds in a set."""
    return dict(read_files(set_files(set_id)))


def grown_roots(set_id: str) -> tuple[str, ...]:
    """Return the roots a document of the set may have, the usual one first."""
    return ("/MetaData", "/Response") if base_of(set_id) == "dms-response" else ("/MetaData", "/Declaration")


@cache
def set_privacy(set_id: str) -> Privacy:
    """Return the privacy classes of a set, as the oracle reads them; nobody has reviewed any for the one with nil."""
    return {} if set_id == NILLABLE else read_privacy(PRIVACY.read_bytes(), set_places(set_id))


@cache
def compiled_set(set_id: str) -> CompiledSet:
    """Return a set as a node has it, with its privacy classes."""
    base = base_of(set_id)
    if set_id == base:
        return compile_set(load_catalogue(schema_folder())[SchemaSetId(set_id)])
    like = compiled_set(base).schema_set
    made = assemble_set(
        set_files(set_id),
        set_id=set_id,
        release="1",
        title=f"Made of {base}",
        entry=like.entry,
        kinds=[kind.value for kind in like.kinds],
        roots=list(like.roots),
        namespaces=list(like.namespaces),
    )
    if set_id == NILLABLE:
        return compile_set(made)
    # Of two sets, so that it may name what only the other has.
    reviewed = replace(parse_privacy(PRIVACY.read_bytes(), file=PRIVACY.name), sets=(set_id, base))
    return compile_set(replace(made, privacy=(reviewed,)))


@cache
def bare_schema(set_id: str) -> etree.XMLSchema:
    """Return libxml2's own schema of the same files, without a line of the gateway."""
    files = set_files(set_id)

    class Resolver(etree.Resolver):
        def resolve(self, url: str, _public: str | None, context: object) -> object:  # type: ignore[override]
            return self.resolve_string(files[url.rpartition("/")[2]], context)

    parser = etree.XMLParser()
    parser.resolvers.add(Resolver())
    entry = next(name for name in files if name.startswith("dms-"))
    return etree.XMLSchema(etree.parse(io.BytesIO(files[entry]), parser, base_url=f"mem:///{entry}"))
