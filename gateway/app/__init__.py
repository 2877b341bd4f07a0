"""The only room that joins adapters: read the rules, start a node, stop it."""

from gateway.app.desk import Snapshot, lay_desk
from gateway.app.inspection import check_all, check_start
from gateway.app.node import Node
from gateway.app.rulebook import Rulebook, rulebook_of
from gateway.app.run import run_node

__all__ = ["Node", "Rulebook", "Snapshot", "check_all", "check_start", "lay_desk", "rulebook_of", "run_node"]
