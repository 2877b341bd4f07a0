"""Every command on the pages for newcomers does what the page says, from the top of each page to its end.

The pages are gone down in the order in which a newcomer meets them, in one folder that stands in for a fresh clone.
What is not run is listed here with its reason, and nothing else is left out: `doc_blocks` refuses what it can not place.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.acceptance.commands import ROOT
from tests.acceptance.doc_blocks import (
    Block,
    Commands,
    Exemption,
    PageError,
    Step,
    check_output,
    inline_commands,
    read_blocks,
    read_steps,
)
from tests.acceptance.doc_shell import Clone, Shell

PAGES = ("README.md", "docs/quickstart.md", "docs/integrate.md", "docs/partner.md")

EXEMPT = (
    Exemption(page="README.md", line="make demo", reason="the demo is run below, with --keep and a folder"),
    Exemption(page="README.md", line="make test", reason="the tests would run themselves"),
    Exemption(
        page="README.md",
        line="national system                                                                partner's back end",
        reason="a drawing",
    ),
)

INLINE = {
    "make help": "prints what the Makefile says of itself",
}
"""Commands inside sentences that no block runs, and why."""


def page_text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def go_down(clone: Clone, steps: Sequence[Step]) -> int:
    """Do all of a page with one shell; return how many outputs were compared. Raises PageError at the first mistake."""
    shell = Shell(clone)
    compared = 0
    try:
        for step in steps:
            compared += shell.take(step)
    finally:
        shell.close()
    return compared


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    clone = Clone(tmp_path_factory.mktemp("docs") / "clone")
    try:
        yield clone
    finally:
        clone.close()


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("?to=FR-DGDDI", "?to=FR-DGDD", "agreement.none"),
        ("--only withheld", "--only nothing", "a command failed"),
        ("130 kept, 0 changed, 10", "131 kept, 0 changed, 9", "130 kept, 0 changed, 10 withheld under"),
        (". ./demo.env", ". ./demo.environment", "No such file"),
    ],
)
def test_a_page_with_a_mistake_fails(clone: Clone, right: str, wrong: str, words: str) -> None:
    # First of all, while the demo that the README starts is still running.
    text = page_text("README.md")
    assert right in text
    # A submission of its own, since the same key would bring the first one's answer.
    changed = text.replace(right, wrong).replace("Idempotency-Key: my-first", f"Idempotency-Key: {len(wrong)}")
    with pytest.raises(PageError, match=words):
        go_down(clone, read_steps("README.md", changed, EXEMPT))


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_does_what_the_page_says(clone: Clone, page: str) -> None:
    shown = [block for block in read_blocks(page, page_text(page)) if block.language == "text"]
    drawings = [block for block in shown if block.lines[0] in {one.line for one in EXEMPT if one.page == page}]
    assert go_down(clone, read_steps(page, page_text(page), EXEMPT)) == len(shown) - len(drawings)


@pytest.mark.parametrize("page", PAGES)
def test_a_command_in_a_sentence_is_run_in_a_block_too(page: str) -> None:
    steps = read_steps(page, page_text(page), EXEMPT)
    ran = "\n".join(step.block.text for step in steps if isinstance(step, Commands))
    exempt = {*INLINE, *(one.line for one in EXEMPT if one.page == page)}
    assert [one for one in inline_commands(page_text(page)) if one not in ran and one not in exempt] == []


def test_what_is_left_out_is_little_and_has_its_reason() -> None:
    assert len(EXEMPT) == 3
    assert all(one.reason for one in EXEMPT)
    assert len(INLINE) == 1


# ── the reader of the pages itself ──


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Run:\n\n    gateway demo\n", "no fenced block"),
        ("~~~\ngateway demo\n~~~\n", "no fenced block"),
        ("1. so\n   ```sh\n   gateway demo\n   ```\n", "no fenced block"),
        ("```console\n$ gateway demo\n```\n", "nobody runs"),
        ("```\ngateway demo\n```\n", "nobody runs"),
        ("```python\nprint(1)\n```\n", "name its file"),
        ("```python\n# one.py\nprint(1)\n```\n", "no command mentions one.py"),
        ("```text\nhello\n```\n", "output of no command"),
        ("```sh\ntrue\n```\n```text\n```\n```text\nhello\n```\n", "output of no command"),
        ("```sh\ntrue\n", "has no end"),
    ],
)
def test_nothing_on_a_page_is_passed_over(text: str, words: str) -> None:
    with pytest.raises(PageError, match=words):
        read_steps("page.md", text, ())


def test_an_exemption_must_fit_something() -> None:
    page = "```sh\nmake test\n```\n"
    assert read_steps("page.md", page, [Exemption(page="page.md", line="make test", reason="takes long")]) == []
    with pytest.raises(PageError, match="not on the page"):
        read_steps("page.md", page, [Exemption(page="page.md", line="make tests", reason="takes long")])
    (step,) = read_steps("page.md", page, [Exemption(page="other.md", line="make test", reason="takes long")])
    assert isinstance(step, Commands)


def test_a_command_in_a_sentence_is_found_over_a_line_end() -> None:
    assert inline_commands("Type `gateway inbox\nlist` or `id`.\n```sh\n`make x`\n```\n") == ["gateway inbox list"]


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\nb", "a\nb\n", True),
        ("a\nb", "a\n", False),
        ("a", "a\nb\n", False),
        ("id … done", "id 0195 done\n", True),
        ("id … done", "id 0195\ndone\n", False),
        ("...\nlast", "first\nsecond\nlast\n", True),
        ("...\nlast", "last\n", True),
        ("...\nlast", "last\nfirst\n", False),
        ("Transfer   State\n─────", "Transfer State\n──────────\n", True),
        ("1.5 kept", "1x5 kept\n", False),
    ],
)
def test_what_is_shown_is_what_was_printed(shown: str, printed: str, same: bool) -> None:
    block = Block(page="page.md", line=1, language="text", lines=tuple(shown.splitlines()))
    if same:
        check_output(block, printed)
    else:
        with pytest.raises(PageError, match="the page shows"):
            check_output(block, printed)


@pytest.mark.parametrize(
    "text",
    [
        "```sh\ngateway transfers list\n```\n",
        "```sh\ntrue\nfalse\ntrue\n```\n",
        "```sh\nfalse | true\n```\n",
        "```sh\necho one\n```\n```text\ntwo\n```\n",
        "```python\n# one.py\nraise SystemExit(3)\n```\n```sh\npython3 one.py\n```\n",
    ],
)
def test_a_page_that_is_wrong_fails(tmp_path: Path, text: str) -> None:
    steps = read_steps("page.md", text, ())
    with pytest.raises(PageError):
        go_down(Clone(tmp_path / "clone"), steps)


def test_a_shell_remembers_what_was_set(tmp_path: Path) -> None:
    page = "```sh\nX=1\n```\n```sh\necho $X\n```\n```text\n1\n```\n"
    assert go_down(Clone(tmp_path / "clone"), read_steps("page.md", page, ())) == 1


def test_all_blocks_of_all_pages_are_accounted_for() -> None:
    blocks = [block for page in PAGES for block in read_blocks(page, page_text(page))]
    assert len(blocks) > 80
