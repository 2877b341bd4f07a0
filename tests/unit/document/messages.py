"""Messages that the tests of this room write themselves."""

from pathlib import Path

from gateway.domain.limits import DocumentLimits

SAMPLES = Path(__file__).resolve().parents[3] / "wco_schemas" / "samples"
VALID = sorted(SAMPLES.glob("valid/*.xml"))
LIMITS = DocumentLimits()

DEC = "urn:wco:datamodel:WCO:DEC-DMS:2"
MD = "urn:wco:datamodel:WCO:DocumentMetaData-DMS:2"
RES = "urn:wco:datamodel:WCO:RES-DMS:2"


def declaration(inside: str = "", *, before: str = "") -> bytes:
    """Return MetaData around a Declaration with `inside`; `before` stands in front of everything."""
    text = f'{before}<m:MetaData xmlns:m="{MD}"><Declaration xmlns="{DEC}">{inside}</Declaration></m:MetaData>'
    return text.encode()
