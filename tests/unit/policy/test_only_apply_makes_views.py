"""A View is made in one place of the program, so whoever holds one knows that a policy was applied."""

import ast
from pathlib import Path

import gateway

PACKAGE = Path(gateway.__file__).parent
MAKER = PACKAGE / "policy" / "views" / "apply.py"


def makes_a_view(node: ast.AST) -> bool:
    """Tell whether `node` calls View, under this name or as an attribute, or replaces parts of one."""
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name == "View"


def imports_view_under_another_name(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and any(one.name == "View" and one.asname for one in node.names)


def test_only_apply_calls_view() -> None:
    makers = {
        path
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if makes_a_view(node) or imports_view_under_another_name(node)
    }
    assert makers == {MAKER}
