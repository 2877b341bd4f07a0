"""Reading the pages that promise commands: every fenced block, in order, and what is to be done with it.

A page may hold these blocks and no other code, so that nothing on it can be passed over in silence:

    sh                       commands, run by one shell from the top of the page to its end
    text                     what the `sh` block before it prints; `…` stands for anything, a line `...` for any lines
    python, toml, yaml       a file; its first line is a comment with the name under which the reader saves it

What is not run is an `Exemption`, with a reason. A block of another kind, code by indentation, an exemption that fits
nothing and a file that no command mentions are errors.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

FILES: Final = frozenset({"python", "toml", "yaml"})
_FENCE: Final = re.compile(r"```(\w*)")
_NAME: Final = re.compile(r"(?:#|//) ([a-z][a-z0-9_-]*\.[a-z]+)")
_IMPORT: Final = re.compile(r"(?m)^(?:from|import) (\w+)")
_INLINE: Final = re.compile(r"`((?:gateway|make|curl|openssl|python|pip|git) [^`]+)`")


class PageError(Exception):
    """A page holds what can not be run, or a run showed something else than the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block. `line`: of its fence, from 1."""

    page: str
    line: int
    language: str
    lines: tuple[str, ...]

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """One line of a page's code that is not run, or the first line of a block of text that nothing printed, and why."""

    page: str
    line: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that the reader saves."""

    block: Block
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Commands, and what they print if the page shows it."""

    block: Block
    shown: Block | None


Step = File | Commands


def read_blocks(page: str, text: str) -> list[Block]:
    """Return the fenced blocks of a page. Raises PageError for code that is written in any other way."""
    blocks: list[Block] = []
    opened: Block | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if opened is None:
            if line.startswith("    ") or re.match(r"\s*(~~~|\s+```)", line):
                raise PageError(f"{page}:{number}: code that is no fenced block at the margin")
            if fence := _FENCE.match(line):
                opened = Block(page=page, line=number, language=fence[1], lines=())
        elif line == "```":
            blocks.append(opened)
            opened = None
        else:
            opened = replace(opened, lines=(*opened.lines, line))
    if opened is not None:
        raise PageError(f"{opened.where}: the block has no end")
    return blocks


def read_steps(page: str, text: str, exemptions: Sequence[Exemption]) -> list[Step]:
    """Return what is to be done for a page, in order. Raises PageError for anything that would be passed over."""
    ours = [one for one in exemptions if one.page == page]
    used: set[str] = set()
    steps: list[Step] = []
    for block in read_blocks(page, text):
        step = _step(block, steps[-1] if steps else None, {one.line for one in ours}, used)
        if isinstance(step, Commands) and step.shown is not None:
            steps[-1] = step
        elif step is not None:
            steps.append(step)
    if unused := [one.line for one in ours if one.line not in used]:
        raise PageError(f"{page}: exempt, but not on the page: {unused}")
    _check_files(steps)
    return steps


def _step(block: Block, before: Step | None, exempt: set[str], used: set[str]) -> Step | None:
    if block.language == "sh":
        used |= exempt & set(block.lines)
        left = tuple(line for line in block.lines if line not in exempt)
        return Commands(block=replace(block, lines=left), shown=None) if left else None
    if block.language == "text":
        if block.lines and block.lines[0] in exempt:
            used.add(block.lines[0])
            return None
        if isinstance(before, Commands) and before.shown is None:
            return replace(before, shown=block)
        raise PageError(f"{block.where}: this text is the output of no command")
    if block.language in FILES and block.lines and (name := _NAME.fullmatch(block.lines[0])):
        return File(block=block, name=name[1])
    raise PageError(f"{block.where}: a block of `{block.language}` that nobody runs; name its file in the first line")


def _check_files(steps: Sequence[Step]) -> None:
    commands = "\n".join(step.block.text for step in steps if isinstance(step, Commands))
    imported = {found for step in steps if isinstance(step, File) for found in _IMPORT.findall(step.block.text)}
    for step in steps:
        if isinstance(step, File) and step.name not in commands and step.name.removesuffix(".py") not in imported:
            raise PageError(f"{step.block.where}: no command mentions {step.name}")


def inline_commands(text: str) -> list[str]:
    """Return the commands that stand inside a sentence."""
    outside = re.sub(r"(?ms)^```.*?^```$", "", text)
    return [" ".join(found.split()) for found in _INLINE.findall(outside)]


def check_output(shown: Block, printed: str) -> None:
    """Raise PageError unless `printed` is what the page shows."""
    wanted = [_squeeze(line) for line in shown.lines]
    pattern = "".join(r"(?:[^\n]*\n)*?" if line == "..." else _line_pattern(line) for line in wanted)
    got = "".join(f"{_squeeze(line)}\n" for line in printed.splitlines())
    if re.fullmatch(pattern, got) is None:
        raise PageError(f"{shown.where}: the page shows\n\n{shown.text}\nbut what was printed is\n\n{printed}")


def _line_pattern(line: str) -> str:
    return "[^\n]*?".join(re.escape(part) for part in line.split("…")) + "\n"


def _squeeze(line: str) -> str:
    """Return a line without what depends on how wide a column came out."""
    return re.sub(r"([─━═ ])\1+", r"\1", line).strip()
