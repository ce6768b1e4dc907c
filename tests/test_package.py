"""The package as a whole: what its import costs, what it needs, what is installed, and what README promises."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import minidl

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def run_python(code: str, cwd: Path = ROOT, **environment: str) -> str:
    """What ``code`` prints in a Python process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- import minidl


def test_import_takes_less_than_three_tenths_of_a_second() -> None:
    """The best of ten, in CPU time, which other programs do not lengthen; where NumPy is slow, three times its time."""
    clock = """if True:
        from time import process_time
        start = process_time()
        import numpy
        middle = process_time()
        import minidl
        print(middle - start, process_time() - middle)
    """
    times = []
    for _ in range(10):
        numpy_time, own_time = map(float, run_python(clock).split())
        times.append((numpy_time, own_time))
        if numpy_time + own_time < max(0.3, 3 * numpy_time):
            return
    pytest.fail(f"import numpy, then minidl, took (seconds): {times}")


def test_import_brings_in_only_numpy() -> None:
    loaded = run_python(
        "import minidl, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    ).split()
    heavy = {"numba", "llvmlite", "matplotlib", "PIL", "tqdm", "h5py", "pyfive", "torch", "scipy"}
    assert "numpy" in loaded
    assert not heavy & set(loaded)


def test_import_writes_nothing(tmp_path: Path) -> None:
    """No cache, no folder: neither in the home directory nor where the variables point."""
    home = tmp_path / "home"
    home.mkdir()
    run_python(
        "import minidl",
        cwd=home,
        HOME=str(home),
        MINIDL_HOME=str(tmp_path / "minidl"),
        NUMBA_CACHE_DIR=str(tmp_path / "numba"),
        PYTHONDONTWRITEBYTECODE="1",
    )
    assert [path.name for path in tmp_path.rglob("*")] == ["home"]


def test_every_module_imports_without_the_optional_packages() -> None:
    code = """if True:
        import importlib, pkgutil, sys
        for name in ("matplotlib", "h5py", "pyfive", "torch", "pytest"):
            sys.modules[name] = None
        import minidl
        for module in pkgutil.walk_packages(minidl.__path__, "minidl."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
        print("done")
    """
    assert run_python(code) == "done\n"


# ---- layout and metadata


def test_every_folder_of_the_package_is_a_package() -> None:
    """A folder without __init__.py would be missing from an installed minidl."""
    folders = {path.parent for path in (ROOT / "minidl").rglob("*.py")}
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_each_familys_names_are_public() -> None:
    for path in sorted((ROOT / "minidl" / "ops").glob("*.py")):
        family = importlib.import_module(f"minidl.ops.{path.stem}")
        for name in getattr(family, "__all__", ()):
            public = getattr(minidl, name, None) or getattr(minidl.nn.functional, name)
            assert inspect.unwrap(public) is inspect.unwrap(getattr(family, name)), f"{path.name}: {name}"


def test_imports_run_strictly_downward() -> None:
    linter = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", linter, "--no-cache", "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def metadata() -> importlib.metadata.PackageMetadata:
    try:
        return importlib.metadata.metadata("minidl")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("minidl is not installed: python -m pip install -e '.[test]'")


def _requirements(metadata: importlib.metadata.PackageMetadata, extra: str | None = None) -> set[str]:
    """The names of the packages that minidl, or one of its extras, requires."""
    names = set()
    for requirement in metadata.get_all("Requires-Dist") or []:
        of_extra = re.search(r"extra == ['\"](\w+)['\"]", requirement)
        if (of_extra and of_extra[1]) == extra:
            names.add(re.match(r"[\w-]+", requirement)[0])
    return names


def test_version(metadata: importlib.metadata.PackageMetadata) -> None:
    assert metadata["Version"] == minidl.__version__
    assert metadata["Requires-Python"] == ">=3.11"


def test_requirements(metadata: importlib.metadata.PackageMetadata) -> None:
    assert _requirements(metadata) == {"numpy", "numba", "pillow", "tqdm"}


def test_extras(metadata: importlib.metadata.PackageMetadata) -> None:
    assert set(metadata.get_all("Provides-Extra")) == {"plot", "keras", "tensorboard", "docs", "test", "all"}
    assert _requirements(metadata, "plot") == {"matplotlib"}
    assert _requirements(metadata, "keras") == {"pyfive", "h5py"}
    assert _requirements(metadata, "tensorboard") == {"tensorboardX"}
    tools = {
        "pytest",
        "pytest-benchmark",
        "hypothesis",
        "ruff",
        "mypy",
        "import-linter",
        "matplotlib",
        "h5py",
    }
    assert tools <= _requirements(metadata, "test")
    for extra in ("plot", "keras", "tensorboard", "docs", "test"):
        assert _requirements(metadata, extra) <= _requirements(metadata, "all")


def test_pytorch_is_never_a_requirement(metadata: importlib.metadata.PackageMetadata) -> None:
    assert not [line for line in metadata.get_all("Requires-Dist") if line.startswith("torch")]


# ---- README


def _section(heading: str) -> str:
    return re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)[1]


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_quick_start_is_two_commands() -> None:
    commands = "".join(_blocks(_section("Quick start"), "sh")).splitlines()
    assert len(commands) == 2
    assert "examples/autoencoder_mnist.py" in commands[0]
    assert "pytest" in commands[1]


def test_the_first_program_prints_what_readme_says() -> None:
    section = _section("A first program")
    (program,), (output,) = _blocks(section, "python"), _blocks(section, "text")
    assert run_python(program) == output


def test_links_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []
