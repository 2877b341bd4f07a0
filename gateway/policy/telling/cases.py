"""Golden cases: a document, a policy, and what is to come of it.

A case is a folder: `case.yaml`, `input.xml` or the file it names, and `expected.xml` unless a refusal is expected. Of a
view more is asked than that it is as expected: the same policy must make the same bytes of it again, and the receiver
must accept it. For reading, a line break stands between the elements of an expected view; a view has none.
"""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from gateway.document import read
from gateway.domain.limits import DocumentLimits
from gateway.errors import ConfigurationError, GatewayError, PolicyError
from gateway.policy.language.reading import Reading
from gateway.policy.language.source import SourceError, read_source
from gateway.policy.telling.diff import example_pseudonyms
from gateway.policy.views.apply import apply_policy
from gateway.policy.views.compiled import CompiledPolicy, demands
from gateway.policy.views.demands import check_required
from gateway.policy.views.inspect import inspect
from gateway.schema import CompiledSet, validate

__all__ = ["VIEW", "Case", "Made", "Result", "difference", "in_lines", "make", "read_case"]

VIEW: Final = "view"
_CODE: Final = re.compile(r"[a-z_]+\.[a-z_]+")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_PLAIN_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a `case.yaml` says. `policy`, `input`: paths from the case's folder. `at`: when the document is sent.

    `expect`: `view`, or the code of the refusal. `held`: whether a human must release it first.
    """

    title: str
    policy: str
    input: str
    at: datetime
    expect: str
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What came of a document: a view, or a refusal with its code (`view` for none) and detail. `held`: why a human
    must release it first."""

    code: str
    detail: str = ""
    view: bytes = field(default=b"", repr=False)
    held: tuple[str, ...] = ()


def read_case(raw: bytes, *, file: str) -> Case:
    """Return the case written in `raw`. Raises ConfigurationError `config.invalid` with every finding."""
    try:
        node = read_source(raw, file=file)
    except SourceError as error:
        raise ConfigurationError("config.invalid", findings=(error.finding,)) from None
    reading = Reading(file)
    top = reading.fields(node, "", required=("policy",), optional=("title", "input", "at", "expect", "held"))
    at, expect = reading.text(top, "at"), reading.text(top, "expect", default=VIEW)
    if at and not _is_time(at):
        fix = "Write it in UTC, such as 2026-03-01T12:00:00Z"
        reading.note(top.fields["at"].line, "at", "is not a time", fix)
        at = ""
    if expect != VIEW and not _CODE.fullmatch(expect):
        fix = "Write `view`, or the code of a refusal such as policy.nothing_kept"
        reading.note(top.fields["expect"].line, "expect", "is neither a view nor a code", fix)
    case = Case(
        title=reading.text(top, "title"),
        policy=reading.text(top, "policy"),
        input=reading.text(top, "input", default="input.xml"),
        at=datetime.fromisoformat(at) if at else _PLAIN_TIME,
        expect=expect,
        held=reading.truth(top, "held", default=False),
    )
    if findings := reading.ordered():
        raise ConfigurationError("config.invalid", findings=findings)
    return case


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return _TIME.fullmatch(text) is not None


def make(raw: bytes, policy: CompiledPolicy, compiled: CompiledSet, at: datetime) -> Made:
    """Return what comes of a document sent at `at`, from its bytes on. Pseudonyms are under a key everybody knows."""
    try:
        document = validate(read(raw, DocumentLimits()), compiled)
        demanded = demands(document, policy)
        check_required(demanded, policy.policy)
        view = apply_policy(document, policy, compiled, pseudonyms=example_pseudonyms(at.year))
    except GatewayError as error:
        return Made(code=error.code, detail=error.detail)
    return Made(code=VIEW, view=view.xml, held=tuple(one.reason for one in demanded.held))


def in_lines(view: bytes) -> bytes:
    """Return a view with a line break between its elements, as an expected view is kept."""
    return view.replace(b"><", b">\n<") + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a case went. `problem`: empty when it is as expected. `lines`: where the view differs (holds values)."""

    problem: str = ""
    lines: tuple[str, ...] = field(default=(), repr=False)


def difference(case: Case, expected: bytes | None, made: Made, policy: CompiledPolicy, compiled: CompiledSet) -> Result:
    """Return what is not as a case expects. `expected`: its expected view as kept, None when there is none."""
    if made.code != case.expect:
        told = f"expected {_told(case.expect)}, but got {_told(made.code)}"
        return Result(problem=f"{told}: {made.detail}" if made.detail else told)
    if bool(made.held) is not case.held:
        why = f"would be held for release: {'; '.join(made.held)}" if made.held else "would not be held for release"
        return Result(problem=why)
    if made.code != VIEW:
        return Result(problem="has an expected.xml, but expects a refusal" if expected is not None else "")
    if expected is None:
        return Result(problem="has no expected.xml; --update writes it")
    if expected.rstrip(b"\n").replace(b">\n<", b"><") != made.view.replace(b">\n<", b"><"):
        return Result(problem="the view is not as expected", lines=tuple(_changed_lines(expected, made.view)))
    return Result(problem=_unstable(made.view, policy, compiled, case.at))


def _told(code: str) -> str:
    return "a view" if code == VIEW else f"the refusal {code}"


def _changed_lines(expected: bytes, view: bytes) -> Iterator[str]:
    before, after = (one.decode("utf-8", "replace").splitlines() for one in (expected, in_lines(view)))
    # The first two lines name the files, which are the caller's to tell.
    yield from list(difflib.unified_diff(before, after, n=2, lineterm=""))[2:]


def _unstable(view: bytes, policy: CompiledPolicy, compiled: CompiledSet, at: datetime) -> str:
    """Return what is wrong with a view as a document of its own; nothing when the receiver would take it as it is."""
    try:
        document = validate(read(view, DocumentLimits()), compiled)
        again = apply_policy(document, policy, compiled, pseudonyms=example_pseudonyms(at.year))
        inspect(document, policy)
    except PolicyError as error:
        return f"the receiver would refuse the view: {error.code}"
    return "" if again.xml == view else "the policy makes something else of its own view"
