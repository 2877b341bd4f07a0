"""bytes → Document → ValidDocument → View → SignedView → Envelope: each is made only by the step before it.

The type checker then refuses to seal what was not filtered. This test refuses a second maker.
"""

import ast

import pytest

from tests.law.source import modules

MAKERS = {
    "Document": "gateway.document",
    "ValidDocument": "gateway.schema",
    "View": "gateway.policy",
    "SignedView": "gateway.envelope",
}


def _made_in(kind: str) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and _called(node.func) == kind:
                places.setdefault(module.name, []).append(node.lineno)
    return places


def _called(func: ast.expr) -> str:
    match func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


@pytest.mark.parametrize(("kind", "room"), MAKERS.items())
def test_only_its_own_room_makes_it(kind: str, room: str) -> None:
    places = _made_in(kind)
    assert places, f"nothing makes a {kind}"
    assert {place: at for place, at in places.items() if not place.startswith(room)} == {}
