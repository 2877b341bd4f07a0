"""Refusing many documents, each with a word of its own that is in no other: in worker processes, and the wrong way.

`strays` and `silent` are the checkers for both: they find what was said of one document and holds another's word, or
not its own.
"""

import json
import re
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

from gateway.domain.telling import Telling
from gateway.schema import CompiledSet, explain
from tests.unit.schema.sets import DEC, LIMITS, MD, bundled

__all__ = ["canary", "refused_in_processes", "refused_on_one_schema", "silent", "strays"]

Told = list[tuple[str, str]]
"""(the word of a document, what was said of it), for each document."""

_CANARY = re.compile(r"canary[0-9]{6}x")
_CHUNK = 250
_OWN: list[CompiledSet] = []


def canary(number: int) -> str:
    """Return the word of one document."""
    return f"canary{number:06d}x"


def strays(told: Told) -> list[str]:
    """Return the words of documents of which something was said that holds another document's word."""
    return [own for own, said in told if set(_CANARY.findall(said)) - {own}]


def silent(told: Told) -> list[str]:
    """Return the words of documents of which nothing was said that holds their own word."""
    return [own for own, said in told if own not in said]


def refused_in_processes(count: int, processes: int, *, values: bool) -> Told:
    """Have worker processes, each with its own schema object, refuse and explain `count` documents."""
    chunks = [(range(start, min(start + _CHUNK, count)), values) for start in range(0, count, _CHUNK)]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_compile) as pool:
        return [one for part in pool.map(_explain, chunks) for one in part]


def refused_on_one_schema(count: int, threads: int) -> Told:
    """Have threads of one process that share one schema object refuse and explain `count` documents: what must never be done."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_compile) as pool:
        return pool.submit(_share, count, threads).result()


def _compile() -> None:
    _OWN.append(bundled("dms-declaration"))
    _ = _OWN[0].tree


def _document(number: int) -> bytes:
    word = canary(number)
    ways = (
        f"<TypeCode>{word}</TypeCode>",
        f"<GoodsItemQuantity>{word}</GoodsItemQuantity>",
        f"<InvoiceAmount currencyID='{word}'>1</InvoiceAmount>",
        f"<Declarant>{word}<ID>1</ID></Declarant>",
        f"<{word}>1</{word}>",
        f"<InvoiceAmount {word}='1'>1</InvoiceAmount>",
    )
    return f'<MetaData xmlns="{MD}"><Declaration xmlns="{DEC}"><FunctionCode>9</FunctionCode>{ways[number % len(ways)]}</Declaration></MetaData>'.encode()


def _explain(chunk: tuple[range, bool]) -> Told:
    numbers, values = chunk
    return [_told(number, values=values) for number in numbers]


def _told(number: int, *, values: bool) -> tuple[str, str]:
    found = explain("f", _document(number), _OWN[0], LIMITS, Telling(values=values))
    return canary(number), json.dumps(found.as_json()) if not found.valid else "valid"


def _share(count: int, threads: int) -> Told:
    sys.setswitchinterval(1e-5)
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda number: _told(number, values=True), range(count)))
