"""The only room that joins adapters: read the rules, start a node, stop it.

A name is loaded when it is first asked for. Worker processes need `desk` alone, and start in a third of the time
without the listeners and the database.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gateway.app.desk import Snapshot, lay_desk
    from gateway.app.inspection import check_all, check_start
    from gateway.app.node import Node
    from gateway.app.rulebook import Rulebook, rulebook_of
    from gateway.app.run import run_node

__all__ = ["Node", "Rulebook", "Snapshot", "check_all", "check_start", "lay_desk", "rulebook_of", "run_node"]

_HOME: Final = {
    "Node": "gateway.app.node",
    "Rulebook": "gateway.app.rulebook",
    "Snapshot": "gateway.app.desk",
    "check_all": "gateway.app.inspection",
    "check_start": "gateway.app.inspection",
    "lay_desk": "gateway.app.desk",
    "rulebook_of": "gateway.app.rulebook",
    "run_node": "gateway.app.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
