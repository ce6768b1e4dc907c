"""The Python blocks of README and docs run as they stand, one page after the other in a fresh namespace.

A block that begins with the name of a file (``# name.py``) is such a file, which the blocks after it can import.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

import minidl.ops
from minidl.cli import make_parser
from minidl.kernels.registry import operation, operations

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
BLOCKS = {
    page: re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    for page in PAGES
}


@pytest.mark.parametrize(
    "page", [page for page, blocks in BLOCKS.items() if blocks], ids=lambda page: page.name
)
def test_code_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in operations():  # what a page registers is gone afterwards
        registered = operation(name)
        monkeypatch.setattr(registered, "_module_names", dict(registered._module_names))
    namespace: dict[str, object] = {"__name__": "__main__"}
    for number, block in enumerate(BLOCKS[page], 1):
        if file := re.match(r"# (\w+\.py)\n", block):
            (tmp_path / file[1]).write_text(block, encoding="utf-8")
            continue
        exec(compile(block, f"{page.name}, block {number}", "exec"), namespace)


COMMANDS = [
    (page.name, line.partition("  #")[0].strip())
    for page in PAGES
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    for line in block.splitlines()
    if re.match(r"(python -m )?minidl ", line)
]


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_commands_have_options_that_exist(page: str, command: str) -> None:
    arguments = shlex.split(command.removeprefix("python -m ").removeprefix("minidl"))
    assert callable(make_parser().parse_args(arguments).run)


def test_an_operation_takes_under_15_lines() -> None:
    """Documented and gradient-checked, in one place; the test above runs them."""
    first = BLOCKS[ROOT / "docs" / "add-an-operation.md"][0]
    assert len(first.splitlines()) < 15
    assert '"""' in first
    assert "gradcheck(" in first
    assert "gradgradcheck(" in first


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_reference_has_all_operations() -> None:
    reference = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "api").glob("*.md"))
    modules = [f"minidl.ops.{module.name}" for module in pkgutil.iter_modules(minidl.ops.__path__)]
    public = [name for name in modules if getattr(importlib.import_module(name), "__all__", ())]
    assert [name for name in public if f"::: {name}\n" not in reference] == []


def test_no_two_files_of_tests_have_one_name() -> None:
    """The folders of tests are no packages, so pytest knows a file by its name alone."""
    names = sorted(path.name for path in (ROOT / "tests").rglob("*.py"))
    assert [a for a, b in pairwise(names) if a == b] == []
