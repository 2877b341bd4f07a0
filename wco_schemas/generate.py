"""Writes the schema sets of wco_schemas from the outlines in wco_schemas/model.

    python wco_schemas/generate.py            write every set and its manifest
    python wco_schemas/generate.py --check    exit 1 and name the files that differ

The outlines are the source; the XSD files are never edited by hand. Only XSD 1.0 is written. Value types are named
after their family and WCO format (`CodeAn3`), so each exists once per namespace. Notation: README.md.
"""

import argparse
import hashlib
import sys
import tomllib
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from notation import Attribute, Body, Element, Facets, cardinality, read_body, read_values

HERE = Path(__file__).resolve().parent
MODEL = HERE / "model"
DATE_TIME = "DateTimeType"


class Writer:
    """Collects one XSD file of one body."""

    def __init__(self, body: Body, wildcard: tuple[str, str] | None) -> None:
        self.body = body
        self.wildcard = wildcard
        self.attribute_sets, _, _ = read_values(MODEL / "values.model")
        self.value_types: dict[str, tuple[Facets, str]] = {}
        self.lines: list[str] = []

    def put(self, depth: int, text: str) -> None:
        self.lines.append("  " * depth + text)

    def write(self, imports: list[tuple[str, str]], prefixes: list[tuple[str, str]]) -> str:
        """Return the file: root element, classes, then the value types and attribute groups that were used."""
        body = self.body
        names = "".join(
            f'\n           xmlns:{prefix}="{uri}"' for prefix, uri in [(body.prefix, body.namespace), *prefixes]
        )
        for uri, location in imports:
            self.put(1, f'<xs:import namespace="{uri}" schemaLocation="{location}"/>')
        self.lines.append("")
        self.element(1, body.root, top=True)
        for name, element in body.classes.items():
            self.lines.append("")
            self.put(1, f'<xs:complexType name="{name}">')
            self.sequence(2, element)
            self.put(1, "</xs:complexType>")
        self.types()
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<!-- Written by wco_schemas/generate.py from the outline of {body.name}; do not edit. -->\n"
            f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"{names}\n'
            f'           targetNamespace="{body.namespace}" elementFormDefault="qualified">\n'
            + "\n".join(self.lines)
            + "\n</xs:schema>\n"
        )

    def sequence(self, depth: int, element: Element) -> None:
        self.put(depth, "<xs:sequence>")
        for child in element.children:
            self.element(depth + 1, child, path=element.name)
        self.put(depth, "</xs:sequence>")

    def element(self, depth: int, element: Element, *, top: bool = False, path: str = "") -> None:
        if element.name == "*":
            uri, often = self.wildcard or ("##any", "1")
            self.put(depth, f'<xs:any namespace="{uri}" processContents="strict"{occurs(*cardinality(often))}/>')
            return
        kind = "ref" if ":" in element.name else "name"
        type_name = "" if kind == "ref" else self.type_name(element, path)
        typed = f' type="{type_name}"' if type_name else ""
        often = "" if top else occurs(element.least, element.most)
        note = "" if element.wco_id == "-" else f"<WCOID>{element.wco_id}</WCOID>"
        inline = kind == "name" and not type_name
        if not note and not inline:
            self.put(depth, f'<xs:element {kind}="{element.name}"{typed}{often}/>')
            return
        self.put(depth, f'<xs:element {kind}="{element.name}"{typed}{often}>')
        if note:
            self.put(depth + 1, f"<xs:annotation><xs:documentation>{note}</xs:documentation></xs:annotation>")
        if inline:
            self.put(depth + 1, "<xs:complexType>")
            self.sequence(depth + 2, element)
            self.put(depth + 1, "</xs:complexType>")
        self.put(depth, "</xs:element>")

    def type_name(self, element: Element, path: str) -> str:
        """Return the qualified type of a leaf, date-time or shared class; empty for a class nested here."""
        if not element.type_words:
            return ""
        word, *rest = element.type_words
        if word == "class":
            return f"{self.body.prefix}:{rest[0]}"
        if word == "datetime" and self.body.values:
            return f"{self.body.values[0]}:{DATE_TIME}"
        family = self.body.families[word]
        text = " ".join(rest)
        form, _, choice = text.partition("{")
        one_of = tuple(choice.rstrip("}").split())
        form = form.strip()
        name = (
            f"{path}{element.name}"
            if one_of
            else word.capitalize() + form.capitalize().replace("..", "").replace(",", "-")
        )
        self.value_types[name] = (family.facets(form, one_of), family.attributes)
        return f"{self.body.prefix}:{name}"

    def types(self) -> None:
        used = []
        for name, (facets, attributes) in sorted(self.value_types.items()):
            self.lines.append("")
            if attributes:
                used.append(attributes)
            write_value_type(self, name, facets, f"{self.body.prefix}:{attributes}" if attributes else "")
        for attributes in sorted(set(used)):
            self.lines.append("")
            write_attribute_group(self, attributes, self.attribute_sets[attributes])


def write_value_type(out: Writer, name: str, facets: Facets, group: str) -> None:
    """A simple type with the facets and, when the value takes attributes, a complex type of the same stem on it."""
    plain = not (facets.one_of or facets.pattern or facets.digits or any(facets.length))
    if not group:
        write_simple_type(out, 1, f' name="{name}"', facets)
        return
    if not plain:
        write_simple_type(out, 1, f' name="{name}.value"', facets)
    out.put(1, f'<xs:complexType name="{name}">')
    out.put(2, "<xs:simpleContent>")
    base = f"xs:{facets.base}" if plain else f"{out.body.prefix}:{name}.value"
    out.put(3, f'<xs:extension base="{base}">')
    out.put(4, f'<xs:attributeGroup ref="{group}"/>')
    out.put(3, "</xs:extension>")
    out.put(2, "</xs:simpleContent>")
    out.put(1, "</xs:complexType>")


def write_simple_type(out: Writer, depth: int, name: str, facets: Facets) -> None:
    rows = []
    least, most = facets.length
    if least is not None and least == most:
        rows.append(("length", str(most)))
    else:
        rows += [(facet, str(size)) for facet, size in (("minLength", least), ("maxLength", most)) if size is not None]
    if facets.digits:
        rows += [("totalDigits", str(facets.digits[0])), ("fractionDigits", str(facets.digits[1]))]
    rows += [("pattern", facets.pattern)] if facets.pattern else []
    rows += [("enumeration", word) for word in facets.one_of]
    out.put(depth, f"<xs:simpleType{name}>")
    out.put(depth + 1, f'<xs:restriction base="xs:{facets.base}"{"" if rows else "/"}>')
    for facet, value in rows:
        out.put(depth + 2, f"<xs:{facet} value={quoteattr(value)}/>")
    if rows:
        out.put(depth + 1, "</xs:restriction>")
    out.put(depth, "</xs:simpleType>")


def write_attribute_group(out: Writer, name: str, attributes: list[Attribute]) -> None:
    out.put(1, f'<xs:attributeGroup name="{name}">')
    for attribute in attributes:
        facets, use = attribute.facets, ' use="required"' if attribute.required else ""
        if facets.pattern or facets.one_of or any(facets.length):
            out.put(2, f'<xs:attribute name="{attribute.name}"{use}>')
            write_simple_type(out, 3, "", facets)
            out.put(2, "</xs:attribute>")
        else:
            out.put(2, f'<xs:attribute name="{attribute.name}" type="xs:{facets.base}"{use}/>')
    out.put(1, "</xs:attributeGroup>")


def occurs(least: int, most: int | None) -> str:
    low = "" if least == 1 else f' minOccurs="{least}"'
    return low if most == 1 else f'{low} maxOccurs="{"unbounded" if most is None else most}"'


def values_file(body: Body) -> str:
    """Return the XSD of a body's values namespace: the date-time class with its one child."""
    assert body.values
    prefix, uri = body.values
    sets, facets, group = read_values(MODEL / "values.model")
    stand_in = Body("date-time values", prefix, uri, None, None, {}, body.root, {})
    out = Writer(stand_in, None)
    out.lines += [
        f'  <xs:complexType name="{DATE_TIME}">',
        "    <xs:sequence>",
        f'      <xs:element name="DateTimeString" type="{prefix}:DateTimeString"/>',
        "    </xs:sequence>",
        "  </xs:complexType>",
        "",
    ]
    write_value_type(out, "DateTimeString", facets, f"{prefix}:{group}")
    out.lines.append("")
    write_attribute_group(out, group, sets[group])
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        "<!-- Written by wco_schemas/generate.py; do not edit. -->\n"
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"\n'
        f'           xmlns:{prefix}="{uri}"\n'
        f'           targetNamespace="{uri}" elementFormDefault="qualified">\n'
        + "\n".join(out.lines)
        + "\n</xs:schema>\n"
    )


def body_files(body: Body) -> dict[str, str]:
    """Return the files of a body, of the body nested in it, and of their values namespaces."""
    files: dict[str, str] = {}
    imports, prefixes = [], []
    if body.values:
        files[f"{body.name}Values.xsd"] = values_file(body)
        imports.append((body.values[1], f"{body.name}Values.xsd"))
        prefixes.append(body.values)
    if body.nested:
        inner = read_body(MODEL / body.nested[1])
        files |= body_files(inner)
        imports.append((inner.namespace, f"{inner.name}.xsd"))
        prefixes.append((inner.prefix, inner.namespace))
    files[f"{body.name}.xsd"] = Writer(body, None).write(imports, prefixes)
    return files


def set_files(set_id: str, entry: dict[str, str]) -> dict[str, str]:
    """Return every file of a set by name, manifest included."""
    metadata, body = read_body(MODEL / entry["metadata"]), read_body(MODEL / entry["body"])
    files = body_files(body)
    files["MetaData.xsd"] = Writer(metadata, (body.namespace, entry["body_count"])).write([], [])
    files[f"{set_id}.xsd"] = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<!-- Written by wco_schemas/generate.py; do not edit. {escape(entry['title'])}.\n"
        "     MetaData's wildcard is strict, so the body must be imported beside it. -->\n"
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">\n'
        f'  <xs:import namespace="{metadata.namespace}" schemaLocation="MetaData.xsd"/>\n'
        f'  <xs:import namespace="{body.namespace}" schemaLocation="{body.name}.xsd"/>\n'
        "</xs:schema>\n"
    )
    files["manifest.toml"] = manifest(set_id, entry, metadata, body, files)
    return files


def manifest(set_id: str, entry: dict[str, str], metadata: Body, body: Body, files: dict[str, str]) -> str:
    namespaces = [metadata.namespace, body.namespace] + ([body.values[1]] if body.values else [])
    if body.nested:
        inner = read_body(MODEL / body.nested[1])
        namespaces += [inner.namespace] + ([inner.values[1]] if inner.values else [])
    roots = [f"{{{outline.namespace}}}{outline.name}" for outline in (metadata, body)]

    def listed(words: list[str]) -> str:
        return "[\n" + "".join(f'    "{word}",\n' for word in words) + "]"

    return (
        "# Written by wco_schemas/generate.py; do not edit.\n"
        f'id = "{set_id}"\nrelease = "{entry["release"]}"\ntitle = "{entry["title"]}"\n'
        f'entry = "{set_id}.xsd"\nkinds = {listed(list(entry["kinds"]))}\n'
        f"roots = {listed(roots)}\nnamespaces = {listed(namespaces)}\n"
        f'hash = "{set_hash(f"{set_id}.xsd", files)}"\n'
    )


def set_hash(entry_file: str, files: dict[str, str]) -> str:
    """Return the hash of a set as docs/schema-sets.md defines it (and gateway/schema computes it on its own)."""
    lines = [f"entry\0{entry_file}\n"]
    lines += [f"{name}\0{hashlib.sha256(files[name].encode()).hexdigest()}\n" for name in sorted(files)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def main() -> int:
    """Write or check every set. Returns the exit code: 0 done or equal, 1 different."""
    parser = argparse.ArgumentParser(description="Write the schema sets from their outlines.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file differs")
    check = parser.parse_args().check
    different = []
    for set_id, entry in tomllib.loads((MODEL / "sets.toml").read_text(encoding="utf-8")).items():
        folder, files = HERE / set_id, set_files(set_id, entry)
        present = {path.name for path in folder.glob("*")} if folder.exists() else set()
        for name in sorted(present | files.keys()):
            path, text = folder / name, files.get(name)
            if text is not None and path.exists() and path.read_bytes() == text.encode():
                continue
            different.append(f"{set_id}/{name}")
            if check:
                continue
            if text is None:
                path.unlink()
            else:
                folder.mkdir(exist_ok=True)
                path.write_bytes(text.encode())
    for name in different:
        print(f"{'differs' if check else 'written'}: {name}")
    return 1 if check and different else 0


if __name__ == "__main__":
    sys.exit(main())
