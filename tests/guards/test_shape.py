"""The layout a newcomer relies on: names, directions, sizes, pages without foreign or inline code."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = ("ecosystem", "providers", "scoring")
SOURCES = sorted(path for app in APPS for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts)
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
LONGEST_MODULE = 600


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "helpers", "services", "common", "misc"}
    assert [path for path in SOURCES if path.stem in drawers or drawers & set(path.parts)] == []


def test_modules_stay_readable() -> None:
    long = {str(path.relative_to(ROOT)): length for path in SOURCES if (length := _lines(path)) > LONGEST_MODULE}
    assert long == {}


def test_imports_keep_their_directions() -> None:
    from importlinter.cli import lint_imports

    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None, no_logo=True) == 0


def test_no_signal_carries_a_rule() -> None:
    found = [path for path in SOURCES if re.search(r"@receiver\(|(pre|post)_(save|delete)\.connect", path.read_text())]
    assert found == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_unfinished_work(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text)
    bare = [
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
        and [type(part) for part in node.body if not _is_text(part)] == [ast.Raise]
        and "NotImplementedError" in ast.unparse(node)
    ]
    assert bare == []


def test_templates_exist() -> None:
    assert TEMPLATES


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_carry_no_inline_and_no_foreign_code(path: Path) -> None:
    text = path.read_text()
    if "admin" in path.parts or "unfold" in path.parts:
        return
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=\"|javascript:", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)(?![^>]*type=\"application/json\")", text)
    assert not re.search(r"(src|href)=\"(https?:)?//", text)


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
