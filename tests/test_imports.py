"""The walls between the packages, read from the source of every module."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ARROWS = {
    "sessions": set(),
    "data": set(),
    "annotator": {"sessions", "data"},
    "labeling": {"sessions", "data"},
    "model": {"data"},
}
SHELL = "shell"  # the one module below all packages
HOMES = {"pygame": "annotator/screen.py", "torch": "model/", "torchvision": "model/", "safetensors": "model/"}
MODULES = sorted(p.relative_to(ROOT) for package in ARROWS for p in (ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The top-level names of all modules that a source file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(path.relative_to(ROOT).parts[0] if node.level else (node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_module_imports_only_along_the_arrows(module: Path) -> None:
    package = module.parts[0]
    ours = imported(ROOT / module) & (set(ARROWS) - {package})
    assert ours <= ARROWS[package]


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_pygame_and_torch_stay_at_home(module: Path) -> None:
    for library, home in HOMES.items():
        if library in imported(ROOT / module):
            assert module.as_posix().startswith(home)


def test_the_shell_imports_none_of_the_packages() -> None:
    assert not imported(ROOT / f"{SHELL}.py") & set(ARROWS)


def test_all_five_packages_have_modules() -> None:
    assert {module.parts[0] for module in MODULES} == set(ARROWS)


def test_a_sample_starts_without_what_it_does_not_need() -> None:
    script = (
        "import sys; from model import pictures, runs, sample; print(sorted({'pandas', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("package", ["model", "labeling", "sessions"])
def test_what_a_package_offers_is_listed_and_there(package: str) -> None:
    script = f"import {package}; print(*(n for n in {package}.__all__ if n not in dir({package})))"
    script += f"; from {package} import *"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not done.stdout.strip()
