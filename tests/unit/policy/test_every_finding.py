"""No finding without a golden case: every call that makes one, and every text it can say, is reached by a bad policy whose
whole text is held.

The calls and the texts are read from the code of gateway/policy/language and gateway/policy/checking, and from that of why
a change does not fit a type, of which the texts alone are held: types like these are in no bundled set. While the golden
cases run, it is noted from where each finding is made; one that is made and then dropped counts for nothing.
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

import pytest

from gateway.errors import Finding
from gateway.policy.language.selectors import SelectorError
from tests.law.source import Module, listed, modules
from tests.unit.policy import test_check, test_findings, test_fitting, test_forms, test_meeting, test_patterns
from tests.unit.policy import test_check_foreign as foreign

ROOMS: Final = ("gateway.policy.language", "gateway.policy.checking")
SILENT: Final = {
    "gateway.policy.language.changes": "says what was done to a value, in explain",
    "gateway.policy.language.file_schema": "describes keys to editors",
    "gateway.policy.language.flatten": "writes a policy out",
}
"""Modules in which no text is a finding's, and why."""
REASONS: Final = (
    "gateway.policy.changing.fitting",
    "gateway.policy.changing.patterns",
    "gateway.policy.changing.walks",
)
"""Modules that say why a change does not fit: what they say stands within one finding."""
_NO_TEXTS: Final = {"annotation", "returns", "keys"}
Function = ast.FunctionDef | None


def golden_texts() -> Iterator[str]:
    """Run every golden case and yield what is said of it."""
    for file in test_findings.FILES:
        yield from map(str, test_findings.findings(file))
    for form in test_forms.FORMS.values():
        yield from map(str, test_forms.findings(form))
    for wrong, *_ in test_check.UNFIT.values():
        yield from map(str, test_check.unfit(*wrong))
    for rules, *_ in foreign.CASES.values():
        yield from foreign.told(foreign.KEEP + rules)
    for last, *_ in foreign.LAST.values():
        yield from foreign.told(foreign.KEEP, last)
    yield from foreign.told(foreign.VOID)
    yield from test_meeting.too_many()


# ── the calls that make findings ─────────────────────────────────────────────────────────────────────────────────────


class Site(NamedTuple):
    """A call that makes a finding: where it begins, where it ends, and the function around it."""

    place: str
    end: tuple[str, int, int]
    function: str


def rooms() -> tuple[Module, ...]:
    return tuple(module for module in modules() if module.within(*ROOMS))


def nodes(module: Module) -> Iterator[tuple[ast.AST, Function]]:
    """Yield every node in which something can be said, with the function around it."""
    todo: list[tuple[ast.AST, Function]] = [(module.tree, None)]
    while todo:
        node, function = todo.pop()
        yield node, function
        inside = node if isinstance(node, ast.FunctionDef) else function
        fields = [value for name, value in ast.iter_fields(node) if name not in _NO_TEXTS]
        lists = [one if isinstance(one, list) else [one] for one in fields]
        todo += [(child, inside) for one in lists for child in one if isinstance(child, ast.AST)]


def is_maker(node: ast.AST | None) -> bool:
    """Whether a function is handed the texts of a finding, so that its callers make it."""
    return isinstance(node, ast.FunctionDef) and {"problem", "fix"} <= {one.arg for one in node.args.args}


@cache
def sites() -> tuple[Site, ...]:
    every = [(module, node, function) for module in rooms() for node, function in nodes(module)]
    makers = {
        (module.name, node.name) for module, node, _ in every if isinstance(node, ast.FunctionDef) and is_maker(node)
    }
    public = {"Finding", "SelectorError", *(name for _, name in makers if not name.startswith("_"))}
    found = []
    for module, node, function in every:
        if not isinstance(node, ast.Call) or is_maker(function):
            continue
        called = ast.unparse(node.func).rpartition(".")[2]
        if called in public or (module.name, called) in makers or any(one.arg == "problem" for one in node.keywords):
            end = (str(module.path), node.end_lineno or 0, node.end_col_offset or 0)
            found.append(Site(f"{module.place}:{node.lineno}", end, around(module, function)))
    return tuple(sorted(found))


def around(module: Module, function: Function) -> str:
    return f"{module.place}:{function.lineno}" if function is not None else ""


# ── what the golden cases reach ──────────────────────────────────────────────────────────────────────────────────────


@cache
def reached() -> Mapping[Site, frozenset[str]]:
    """Return the calls from which a golden case has its findings, with the whole texts of these."""
    made: list[tuple[str, str, list[tuple[CodeType, int]]]] = []
    of_finding, of_error = Finding.__init__, SelectorError.__init__

    def note(problem: str, fix: str) -> None:
        frame: FrameType | None = sys._getframe(2)
        calls: list[tuple[CodeType, int]] = []
        while frame is not None:
            if frame.f_globals.get("__name__", "").startswith(ROOMS):
                calls.append((frame.f_code, frame.f_lasti))
            frame = frame.f_back
        made.append((problem, fix, calls))

    def finding(self: Finding, **given: Any) -> None:
        of_finding(self, **given)
        note(self.problem, self.fix)

    def error(self: SelectorError, text: str) -> None:
        of_error(self, text)
        note("", text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Finding, "__init__", finding)
        patch.setattr(SelectorError, "__init__", error)
        test_findings.findings.cache_clear()
        held = set(golden_texts())
    by_end = {site.end: site for site in sites()}
    found: dict[Site, set[str]] = {}
    for problem, fix, calls in made:
        told = {one for one in held if problem in one and one.endswith(f". {fix}")}
        for site in filter(None, (by_end.get(end_of(*call)) for call in calls)):
            found.setdefault(site, set()).update(told)
    return {site: frozenset(told) for site, told in found.items() if told}


@cache
def end_of(code: CodeType, instruction: int) -> tuple[str, int, int]:
    _, line, _, column = list(code.co_positions())[instruction // 2]
    return code.co_filename, line or 0, column or 0


def test_every_call_that_makes_a_finding_is_reached_by_a_golden_case() -> None:
    unreached = [site.place for site in sites() if site not in reached()]
    assert not unreached, listed(unreached)


# ── the texts ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Text(NamedTuple):
    """One text of the code, or one way in which it may come out: where it stands, in which function, and a pattern."""

    place: str
    function: str
    pattern: str

    def __str__(self) -> str:
        return f"{self.place}: {self.pattern}".replace("\\", "")


def reasons() -> set[str]:
    """Return the texts that tests hold of why a change does not fit."""
    return {*(said for *_, said in test_fitting.UNFIT), *test_patterns.UNREAD.values(), test_patterns.TOO_MANY}


def texts() -> Iterator[Text]:
    for module in (*rooms(), *(one for one in modules() if one.name in REASONS)):
        if module.name in SILENT:
            continue
        every = list(nodes(module))
        parts = {
            id(child) for node, _ in every if isinstance(node, ast.JoinedStr | ast.Expr) for child in parts_of(node)
        }
        for node, function in every:
            if id(node) in parts or not isinstance(node, ast.expr):
                continue
            for pattern in patterns(node):
                yield Text(f"{module.place}:{node.lineno}", around(module, function), pattern)


def parts_of(node: ast.JoinedStr | ast.Expr) -> list[ast.expr]:
    """The pieces of a text, which are none by themselves; and what stands alone, which is a docstring."""
    return node.values if isinstance(node, ast.JoinedStr) else [node.value]


def patterns(node: ast.expr) -> list[str]:
    """Return what a text looks like in each way it may come out. A single word is no text, but a key or a name."""
    written = ["".join(one) for one in product(*map(pieces, node.values))] if isinstance(node, ast.JoinedStr) else []
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        written = pieces(node)
    return [one for one in written if re.search(r"[a-z].*\\ |\\ .*[a-z]", one)]


def pieces(node: ast.expr) -> list[str]:
    match node:
        case ast.Constant(value=str(text)):
            return [".*".join(map(re.escape, text.split("{}")))]
        case ast.FormattedValue(value=ast.IfExp(body=body, orelse=orelse)):
            return [*pieces(body), *pieces(orelse)]
        case ast.FormattedValue(value=ast.BoolOp(values=values)):
            return [piece for one in values for piece in pieces(one)]
        case _:
            return [".*"]


def test_every_text_of_a_finding_is_said_in_a_golden_case() -> None:
    said: dict[str, set[str]] = {}
    for site, told in reached().items():
        said.setdefault(site.function, set()).update(told)
    everything = reasons().union(*said.values())
    unsaid = [
        str(text)
        for text in texts()
        if not any(re.search(text.pattern, one, re.DOTALL) for one in said.get(text.function, everything))
    ]
    assert not unsaid, listed(unsaid)


def test_only_modules_without_findings_are_said_to_have_none() -> None:
    places = {module.place: module.name for module in rooms()}
    assert set(SILENT) <= set(places.values())
    assert not set(SILENT) & {places[site.place.rpartition(":")[0]] for site in sites()}
