"""The bundled sets, and a small foreign one with the traps that real ones have."""

from functools import cache
from pathlib import Path

from gateway.domain.limits import DocumentLimits
from gateway.schema import CompiledSet, SchemaSet, assemble_set, compile_set, load_set

DATA = Path(__file__).resolve().parents[3] / "wco_schemas"
LIMITS = DocumentLimits()
SET_IDS = ("dms-declaration", "dms-response", "dms-cancellation")

DEC = "urn:wco:datamodel:WCO:DEC-DMS:2"
DECV = "urn:wco:datamodel:WCO:Declaration_DS:DMS:2"
MD = "urn:wco:datamodel:WCO:DocumentMetaData-DMS:2"


def files_of(set_id: str) -> dict[str, bytes]:
    """Return the files of a bundled set, its manifest included."""
    return {path.name: path.read_bytes() for path in (DATA / set_id).iterdir()}


@cache
def bundled(set_id: str) -> CompiledSet:
    """Return a bundled set, compiled once for the tests."""
    return compile_set(load_set(files_of(set_id)))


# Sideways paths; a file without a namespace that is included; a choice; a wildcard; a group; derivation in two steps.
FOREIGN = {
    "main/entry.xsd": b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:f" xmlns:t="urn:t"
        targetNamespace="urn:f" elementFormDefault="qualified">
      <xs:import namespace="urn:t" schemaLocation="../types/t.xsd"/>
      <xs:include schemaLocation="part.xsd"/>
      <xs:element name="Report"><xs:complexType>
        <xs:complexContent><xs:extension base="Shared">
          <xs:sequence>
            <xs:choice minOccurs="1" maxOccurs="2">
              <xs:element name="Left" type="t:Short"/>
              <xs:sequence><xs:element name="Right" type="xs:date"/><xs:element ref="Note" minOccurs="0"/></xs:sequence>
            </xs:choice>
            <xs:group ref="Tail" minOccurs="0"/>
            <xs:any namespace="urn:t" minOccurs="0" maxOccurs="unbounded"/>
          </xs:sequence>
          <xs:attribute name="mode" use="required"><xs:simpleType><xs:restriction base="xs:token">
            <xs:enumeration value="a"/><xs:enumeration value="b"/></xs:restriction></xs:simpleType></xs:attribute>
          <xs:attribute ref="t:mark"/>
        </xs:extension></xs:complexContent>
      </xs:complexType></xs:element>
    </xs:schema>""",
    "main/part.xsd": b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified">
      <xs:complexType name="Shared"><xs:sequence><xs:element name="Code" type="Code"/></xs:sequence></xs:complexType>
      <xs:simpleType name="Code"><xs:restriction base="xs:string"><xs:length value="3"/></xs:restriction></xs:simpleType>
      <xs:element name="Note" type="xs:string"/>
      <xs:group name="Tail"><xs:sequence><xs:element name="Tail" maxOccurs="unbounded"><xs:complexType/>
      </xs:element></xs:sequence></xs:group>
    </xs:schema>""",
    "types/t.xsd": b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:t">
      <xs:simpleType name="Long"><xs:restriction base="xs:string"><xs:maxLength value="9"/>
        <xs:pattern value="[a-z]*"/></xs:restriction></xs:simpleType>
      <xs:complexType name="Short"><xs:simpleContent><xs:extension base="t:Shorter">
        <xs:attributeGroup ref="t:marks"/></xs:extension></xs:simpleContent></xs:complexType>
      <xs:simpleType name="Shorter"><xs:restriction base="t:Long"><xs:maxLength value="4"/>
        <xs:pattern value="x.*"/><xs:pattern value="y.*"/></xs:restriction></xs:simpleType>
      <xs:attributeGroup name="marks"><xs:attribute ref="t:mark"/><xs:attribute name="unit"/></xs:attributeGroup>
      <xs:attribute name="mark"><xs:simpleType><xs:restriction base="xs:decimal"><xs:totalDigits value="4"/>
        <xs:fractionDigits value="1"/><xs:minInclusive value="0"/><xs:maxInclusive value="9"/></xs:restriction>
      </xs:simpleType></xs:attribute>
      <xs:element name="Extra" type="xs:boolean"/>
    </xs:schema>""",
}


def foreign(files: dict[str, bytes] | None = None, entry: str = "main/entry.xsd") -> SchemaSet:
    """Return the small foreign set, or a changed one."""
    return assemble_set(
        FOREIGN if files is None else files,
        set_id="foreign-1",
        release="1",
        title="A foreign set",
        entry=entry,
        kinds=["declaration"],
        roots=["{urn:f}Report"],
        namespaces=["urn:f", "urn:t"],
    )
