"""`gateway policy test`: the golden cases in a folder, judged or written anew. Needs no node."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.catalogue import CatalogueFolder, schema_sets
from gateway.cli.documents import document_bytes
from gateway.cli.output import AsJson, print_json, reporting, say

if TYPE_CHECKING:
    from gateway.policy import CompiledPolicy
    from gateway.policy.telling.cases import Case, Made, Result
    from gateway.schema import CompiledSet

__all__ = ["run_cases"]


@dataclass(slots=True)
class _Bench:
    """What the cases share: each policy and each schema set is made ready once."""

    catalogue: Path | None
    policies: "dict[Path, CompiledPolicy]" = field(default_factory=dict)
    sets: "dict[str, CompiledSet]" = field(default_factory=dict)

    def policy(self, file: Path) -> "tuple[CompiledPolicy, CompiledSet]":
        """Return a policy and its set. Raises GatewayError, OSError."""
        from gateway.errors import SchemaError
        from gateway.policy import compile_policy
        from gateway.schema import compile_set
        from gateway.settings import read_policy_file

        path = file.resolve()
        if path not in self.policies:
            policy = read_policy_file(file)
            known = schema_sets(self.catalogue)
            if policy.schema_set not in known:
                raise SchemaError("schema.unknown_set", f"{file} is for {policy.schema_set}, which is not there")
            if policy.schema_set not in self.sets:
                self.sets[policy.schema_set] = compile_set(known[policy.schema_set])
            self.policies[path] = compile_policy(policy, self.sets[policy.schema_set])
        found = self.policies[path]
        return found, self.sets[found.schema_set]


def run_cases(
    folder: Annotated[
        Path, typer.Argument(help="Folder of cases; each has a case.yaml.", exists=True, file_okay=False)
    ],
    update: Annotated[bool, typer.Option("--update", help="Write what comes out as what is expected.")] = False,
    catalogue: CatalogueFolder = None,
    as_json: AsJson = False,
) -> None:
    """Run golden cases: input.xml under the policy of case.yaml must give expected.xml, or the refusal expected.

    A view must also come out the same when the policy is applied to it again, and be what the receiver accepts.
    """
    from gateway.errors import RequestError

    failed = 0
    with reporting(as_json=as_json):
        cases = sorted(folder.rglob("case.yaml"))
        if not cases:
            raise RequestError("request.not_found", f"There is no case.yaml in {folder} or below")
        bench = _Bench(catalogue)
        for file in cases:
            title, result, written = _judged(file, bench, update=update)
            failed += bool(result.problem)
            _show(file.parent.relative_to(folder), title, result, written, as_json=as_json)
    if not as_json:
        say(f"{len(cases)} case{'s' if len(cases) != 1 else ''}, {failed} not as expected")
    if failed:
        raise typer.Exit(1)


def _judged(file: Path, bench: _Bench, *, update: bool) -> "tuple[str, Result, list[str]]":
    """Return the title of a case, how it went, and what was written. A case that can not be run is one that failed: it
    must not keep the others from being judged."""
    from gateway.errors import ConfigurationError, GatewayError
    from gateway.policy.telling.cases import Result

    try:
        case, result, written = _run(file, bench, update=update)
    except ConfigurationError as error:
        return "", Result(problem=f"can not be run: {error.code}", lines=tuple(map(str, error.findings))), []
    except GatewayError as error:
        return "", Result(problem=f"can not be run: {error.code}: {error.detail}"), []
    except OSError as error:
        return "", Result(problem=f"can not be run: {error.filename}: {error.strerror}"), []
    return case.title, result, written


def _run(file: Path, bench: _Bench, *, update: bool) -> "tuple[Case, Result, list[str]]":
    """Return a case, how it went, and the names of the files that were written."""
    from gateway.policy.telling.cases import difference, make, read_case
    from gateway.settings import plain_bytes

    case = read_case(plain_bytes(file), file=str(file))
    policy, compiled = bench.policy(file.parent / case.policy)
    made = make(document_bytes(file.parent / case.input), policy, compiled, case.at)
    expected = file.parent / "expected.xml"
    written: list[str] = []
    if update:
        written = list(_update(file, expected, case, made))
        case = read_case(plain_bytes(file), file=str(file))
    kept = expected.read_bytes() if expected.exists() else None
    return case, difference(case, kept, made, policy, compiled), written


def _update(file: Path, expected: Path, case: "Case", made: "Made") -> Iterator[str]:
    """Make the files of a case say what came out; yield the names of those that changed."""
    from gateway.policy.telling.cases import VIEW, in_lines

    if (made.code, bool(made.held)) != (case.expect, case.held):
        text = _with_line(file.read_text(encoding="utf-8"), "expect", made.code)
        if bool(made.held) is not case.held:
            text = _with_line(text, "held", str(bool(made.held)).lower())
        file.write_text(text, encoding="utf-8")
        yield file.name
    if made.code != VIEW:
        if expected.exists():
            expected.unlink()
            yield expected.name
    elif not expected.exists() or expected.read_bytes() != in_lines(made.view):
        expected.write_bytes(in_lines(made.view))
        yield expected.name


def _with_line(text: str, key: str, value: str) -> str:
    """Return the text of a case with one key said anew."""
    line, pattern = f"{key}: {value}", re.compile(rf"^{key}:.*$", re.MULTILINE)
    return pattern.sub(line, text) if pattern.search(text) else f"{text.rstrip()}\n{line}\n"


def _show(name: Path, title: str, result: "Result", written: list[str], *, as_json: bool) -> None:
    if as_json:
        told = {"case": str(name), "title": title, "passed": not result.problem, "problem": result.problem}
        print_json({**told, "diff": result.lines, "written": written})
        return
    say(f"{'FAIL' if result.problem else 'pass'} {name}{f': {title}' if title else ''}")
    if written:
        say(f"     written: {', '.join(written)}")
    if result.problem:
        say(f"     {result.problem}")
    for line in result.lines:
        say(f"     {line}")
