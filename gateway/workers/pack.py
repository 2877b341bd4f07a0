"""Pickles of what goes between a node and its workers, both ways: our own frozen values, between our own processes.

The standard library packs and unpacks a frozen dataclass with slots in Python, field by field and by name. Here its
fields are taken all at once and put back through its slots: half the time, and nothing else differs. Whatever is no
such dataclass, or says itself how it is to be pickled, is pickled as ever.
"""

import copyreg
import io
import pickle
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from operator import attrgetter
from typing import Any, Final

PROTOCOL: Final = 5


def pack(value: object) -> bytes:
    """Return `value` as bytes. Raises what pickling it raises."""
    frame = io.BytesIO()
    pickler = pickle.Pickler(frame, PROTOCOL)
    pickler.dispatch_table = _REDUCERS
    pickler.dump(value)
    # Not `getbuffer`: a worker that ends leaves the frame in a cycle. Over a view of it Python 3.13 complains when that
    # is collected, and 3.12 can crash.
    return frame.getvalue()


def unpack(frame: bytes | memoryview) -> Any:
    """Return what was packed. Only for what our own process at the other end packed."""
    return pickle.loads(frame)  # noqa: S301  # between our own two processes


def built(kind: type, *values: object) -> object:
    """Return a value of `kind` with these fields, in their order, as they were in the value that was packed."""
    one: object = object.__new__(kind)
    for put, value in zip(_SLOTS[kind], values, strict=True):
        put(one, value)
    return one


class _Slots(dict[type, tuple[Callable[[object, object], None], ...]]):
    """What sets each field of a dataclass with slots, frozen or not; found out once."""

    def __missing__(self, kind: type) -> tuple[Callable[[object, object], None], ...]:
        slots = self[kind] = tuple(getattr(kind, field.name).__set__ for field in fields(kind))
        return slots


class _Reducers(dict[type, Callable[[Any], Any]]):
    """How values of a type are pickled, where that is not as ever; found out once."""

    def __init__(self) -> None:
        self._as_ever: set[type] = set()

    def __missing__(self, kind: type) -> Callable[[Any], Any]:
        if kind not in self._as_ever:
            reducer = _reducer(kind) if _is_plain(kind) else copyreg.dispatch_table.get(kind)
            if reducer is not None:
                self[kind] = reducer
                return reducer
            self._as_ever.add(kind)
        raise KeyError(kind)


_SLOTS: Final = _Slots()
_REDUCERS: Final = _Reducers()


def _is_plain(kind: type) -> bool:
    """Tell whether a type is pickled the way that the standard library gives to frozen dataclasses with slots."""
    own = getattr(kind, "__getstate__", None)
    return is_dataclass(kind) and bool(fields(kind)) and getattr(own, "__module__", None) == "dataclasses"


def _reducer(kind: type) -> Callable[[Any], Any]:
    names = [field.name for field in fields(kind)]
    take = attrgetter(*names)
    if len(names) == 1:
        return lambda value: (built, (kind, take(value)))
    return lambda value: (built, (kind, *take(value)))
