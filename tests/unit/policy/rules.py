"""Short ways to policies, valid documents and views, over the bundled sets."""

from functools import cache
from pathlib import Path

from gateway.document import read
from gateway.domain.ids import SchemaSetId
from gateway.domain.message import View
from gateway.policy import CompiledPolicy, Policy, apply_policy, compile_policy, read_policy
from gateway.policy.changing.pseudonyms import Pseudonyms
from gateway.schema import CompiledSet, ValidDocument, compile_set, validate
from gateway.settings import load_catalogue
from tests.oracle.oracle import Judge
from tests.oracle.selecting import read_privacy
from tests.oracle.xsd_paths import Place, read_paths
from tests.unit.schema.sets import DATA, DEC, LIMITS, MD, bundled

ROOT = DATA.parent
EXAMPLES = ROOT / "config" / "policies"
POLICIES = sorted(EXAMPLES.glob("*.yaml"))
SAMPLES = sorted((DATA / "samples" / "valid").glob("*.xml"))
KEY = bytes(range(32))
PSEUDONYMS = Pseudonyms(key=KEY)
XSI = "http://www.w3.org/2001/XMLSchema-instance"

HEAD = "policy: p\nversion: 1\nschema_set: dms-declaration\nrules:\n"
CODES = """\
  - keep: /MetaData/Declaration/FunctionCode
  - keep: /MetaData/Declaration/TypeCode
"""


def policy(rules: str, head: str = HEAD) -> Policy:
    """Return the policy with these rules (YAML lines, indented by two)."""
    return read_policy((head + rules).encode(), file="p.yaml")


def compiled(rules: str, head: str = HEAD) -> CompiledPolicy:
    found = policy(rules, head)
    return compile_policy(found, bundled(found.schema_set))


@cache
def example(name: str) -> CompiledPolicy:
    """Return one of the example policies, compiled."""
    found = example_policy(name)
    return compile_policy(found, reviewed(found.schema_set))


@cache
def example_policy(name: str) -> Policy:
    """Return one of the example policies with what it includes."""
    file = EXAMPLES / f"{name}.yaml"
    return read_policy(file.read_bytes(), file=file.name, include=lambda part: (EXAMPLES / part).read_bytes())


@cache
def example_judge(name: str) -> Judge:
    """Return the oracle for one of the example policies, with the key under which `apply` makes pseudonyms."""
    included = {file.relative_to(EXAMPLES).as_posix(): file.read_bytes() for file in EXAMPLES.rglob("*.yaml")}
    set_id = example(name).schema_set
    privacy = read_privacy((DATA / "privacy" / "dms.toml").read_bytes(), places(set_id))
    return Judge((EXAMPLES / f"{name}.yaml").read_bytes(), places(set_id), included, privacy, KEY)


@cache
def reviewed(set_id: str) -> CompiledSet:
    """Return a bundled set as a node has it: with the privacy classes that people reviewed."""
    return compile_set(load_catalogue(DATA)[SchemaSetId(set_id)])


@cache
def places(set_id: str) -> dict[str, Place]:
    """Return what the oracle knows of a set."""
    return dict(read_paths(DATA / set_id))


def valid(raw: bytes | str, set_id: str = "dms-declaration") -> ValidDocument:
    return validate(read(raw.encode() if isinstance(raw, str) else raw, LIMITS), bundled(set_id))


def sample(name: str) -> bytes:
    return (DATA / "samples" / "valid" / f"{name}.xml").read_bytes()


def apply(raw: bytes | str, how: CompiledPolicy) -> View:
    """Return the view of a document under a policy."""
    return apply_policy(valid(raw, how.schema_set), how, bundled(how.schema_set), pseudonyms=PSEUDONYMS)


def declaration(inside: str, *, code: str = "9", attributes: str = "", head: str = "") -> str:
    """Return a declaration of few elements in MetaData; `inside` stands after the type code."""
    return (
        f'<md:MetaData xmlns:md="{MD}" xmlns="{DEC}" {attributes}>{head}'
        f"<Declaration><FunctionCode>{code}</FunctionCode><TypeCode>IMA</TypeCode>{inside}</Declaration></md:MetaData>"
    )


def body(view: View) -> str:
    """Return what stands inside the view's Declaration after the two codes."""
    text = view.xml.decode()
    inside = text.split("<dec:TypeCode>", 1)[1].split(">", 1)[1]
    return inside.rsplit("</dec:Declaration>", 1)[0]


def fitting(path: Path) -> tuple[str, ...]:
    """Return the names of the example policies whose set is for the kind of a sample."""
    kind = read(path.read_bytes(), LIMITS).kind
    return tuple(file.stem for file in POLICIES if kind in bundled(example(file.stem).schema_set).schema_set.kinds)
