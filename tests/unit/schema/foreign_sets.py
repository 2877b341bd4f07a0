"""Small sets of our own, each with one trap that official ones have."""

from collections.abc import Mapping
from pathlib import Path

import xmlschema
from lxml import etree

from gateway.schema import SchemaSet, Wish, compile_set, make_set

XS = 'xmlns:xs="http://www.w3.org/2001/XMLSchema"'


def xsd(namespace: str, inside: str, attributes: str = "") -> bytes:
    """Return a schema of `namespace`, whose own names need no prefix."""
    target = f'targetNamespace="{namespace}" xmlns="{namespace}"' if namespace else ""
    return f'<xs:schema {XS} {target} elementFormDefault="qualified" {attributes}>{inside}</xs:schema>'.encode()


def bring(namespace: str, path: str) -> str:
    """Return an import."""
    return f'<xs:import namespace="{namespace}" schemaLocation="{path}"/>'


def include(path: str) -> str:
    """Return an include."""
    return f'<xs:include schemaLocation="{path}"/>'


def element(name: str, kind: str = "xs:int") -> str:
    """Return a global element."""
    return f'<xs:element name="{name}" type="{kind}"/>'


def envelope(wildcard: str, name: str = "MetaData") -> str:
    """Return a global element around one wildcard."""
    return (
        f'<xs:element name="{name}"><xs:complexType><xs:sequence><xs:any {wildcard}/>'
        "</xs:sequence></xs:complexType></xs:element>"
    )


def of_any(namespace: str) -> str:
    """Return the attributes of a strict wildcard for one namespace."""
    return f'namespace="{namespace}" processContents="strict"'


# An envelope and its body in two folders, with nothing that brings them together.
APART: Mapping[str, bytes] = {
    "envelope/MetaData.xsd": xsd("urn:m", envelope(of_any("urn:d")), 'version="3.1"'),
    "body/Declaration.xsd": xsd(
        "urn:d", bring("urn:t", "../types/Types.xsd") + '<xs:element name="Declaration" xmlns:t="urn:t" type="t:Code"/>'
    ),
    "types/Types.xsd": xsd(
        "urn:t", '<xs:simpleType name="Code"><xs:restriction base="xs:int"/></xs:simpleType>', 'version="9"'
    ),
    "body/unrelated.xsd": xsd("urn:u", element("Other")),
    "readme.txt": b"not a schema",
}


def made(files: Mapping[str, bytes], entry: str = "", *bodies: str) -> SchemaSet:
    """Return the set that is made of `files`."""
    return make_set(files, Wish(set_id="foreign", entry=entry, bodies=bodies))


def written(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write files below `folder`."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def verdicts(schema_set: SchemaSet, folder: Path, *documents: str) -> list[bool]:
    """Return the set's verdict on each document; plain lxml and xmlschema on the files on disk must say the same."""
    place = str(written(schema_set.files, folder) / schema_set.entry)
    compiled, bare, other = compile_set(schema_set), etree.XMLSchema(etree.parse(place)), xmlschema.XMLSchema10(place)
    found = []
    for document in documents:
        root = etree.fromstring(document)
        verdict = compiled.accepts(root)
        assert verdict == bare.validate(root), document
        assert verdict == other.is_valid(document), document
        found.append(verdict)
    return found
