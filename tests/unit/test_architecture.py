"""The facts about the code as a whole that no type checker sees: who may import whom, how large
things may grow, and what a wrapper that lives for days must not have in its memory.

Reads the source and imports one module in a fresh process; knows nothing of what the code does.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 40
NOT_RESIDENT = {
    "pydantic", "tomli", "argparse", "xml", "hashlib", "transitions", "logging", "dataclasses",
    "inspect", "pickle", "traceback",
}
"""What costs memory for as long as a job runs, which is days on hosts with 128 jobs."""
PROCESSES = {"subprocess", "pty", "asyncio", "multiprocessing"}


@dataclass(frozen=True)
class Module:
    """A module of the program: its dotted name, its text and its syntax tree."""

    name: str
    text: str
    tree: ast.Module

    def imports(self) -> set[str]:
        """The dotted names of all that it imports, wherever in the module."""
        return {name for node in ast.walk(self.tree) for name in _imported(node)}

    def imports_at_once(self) -> set[str]:
        """What it imports while it is being imported itself: not what a function imports later."""
        return {name for node in self.tree.body for name in _imported(node)}

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function and method in it."""
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node


def _imported(node: ast.AST) -> Iterator[str]:
    """What a statement imports: ``from a import b`` may mean the module ``a.b`` as well."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or ""
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _read(path: Path) -> Module:
    parts = path.relative_to(ROOT).with_suffix("").parts
    text = path.read_text("utf-8")
    return Module(".".join(part for part in parts if part != "__init__"), text, ast.parse(text))


MODULES = [_read(path) for package in ("states", "wrapper")
           for path in sorted((ROOT / package).rglob("*.py"))]
NAMES = {module.name for module in MODULES}


def within(name: str, package: str) -> bool:
    """Whether a dotted name is a package or lies in it."""
    return name == package or name.startswith(f"{package}.")


def breaches(package: str, forbidden: str) -> list[str]:
    """Every import of something in ``forbidden`` by a module in ``package``."""
    return [f"{module.name} imports {name}" for module in MODULES if within(module.name, package)
            for name in sorted(module.imports()) if within(name, forbidden)]


def test_the_test_sees_the_program_and_its_imports() -> None:
    assert {"wrapper.cli", "wrapper.boinc.session", "wrapper.engine.hosts.local"} <= NAMES
    assert breaches("wrapper.supervisor", "states")


@pytest.mark.parametrize(("package", "forbidden"), [
    ("states", "wrapper"),
    ("wrapper.boinc", "wrapper.engine"),
    ("wrapper.boinc", "states"),
    ("wrapper.engine", "wrapper.boinc"),
    ("wrapper.engine", "states"),
    ("wrapper.engine.hosts", "wrapper.engine.cli"),
])
def test_dependencies_point_one_way(package: str, forbidden: str) -> None:
    assert breaches(package, forbidden) == []


@pytest.mark.parametrize("package", ["wrapper.boinc", "wrapper.engine"])
def test_a_side_knows_nothing_of_the_program_built_on_it(package: str) -> None:
    outside = [f"{module.name} imports {name}"
               for module in MODULES if within(module.name, package)
               for name in sorted(module.imports() & NAMES)
               if not within(name, package) and name != "wrapper"]
    assert outside == []


def test_no_module_imports_itself_by_a_circle() -> None:
    graph = {module.name: module.imports_at_once() & NAMES for module in MODULES}
    while leaves := [name for name, needs in graph.items() if not needs & graph.keys()]:
        for name in leaves:
            del graph[name]
    assert graph == {}


def test_only_hosts_start_processes() -> None:
    starters = [f"{module.name} imports {name}" for module in MODULES
                if not within(module.name, "wrapper.engine.hosts")
                for name in sorted(module.imports() & PROCESSES)]
    assert starters == []


def _calls(module: Module) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_nothing_is_ever_given_to_a_shell_as_a_line() -> None:
    lines = [f"{module.name}:{call.lineno}" for module in MODULES for name, call in _calls(module)
             if name in ("os.system", "os.popen", "subprocess.getoutput")
             or any(word.arg == "shell" for word in call.keywords)]
    assert lines == []


def test_every_module_says_what_it_is_for() -> None:
    assert [module.name for module in MODULES if not ast.get_docstring(module.tree)] == []


def test_no_module_is_too_long_to_be_read_at_once() -> None:
    sizes = {module.name: module.text.count("\n") for module in MODULES}
    assert {name: size for name, size in sizes.items() if size > MOST_LINES} == {}


def test_no_function_is_too_long_to_be_seen_at_once() -> None:
    sizes = {f"{module.name}.{function.name}": (function.end_lineno or 0) - function.lineno + 1
             for module in MODULES for function in module.functions()}
    assert {name: size for name, size in sizes.items() if size > MOST_LINES_OF_A_FUNCTION} == {}


def test_the_usual_function_is_short() -> None:
    sizes = sorted((function.end_lineno or 0) - function.lineno + 1
                   for module in MODULES for function in module.functions())
    assert sizes[len(sizes) // 2] <= 10


def test_no_error_is_caught_without_saying_which() -> None:
    bare = [f"{module.name}:{node.lineno}" for module in MODULES for node in ast.walk(module.tree)
            if isinstance(node, ast.ExceptHandler) and node.type is None]
    assert bare == []


def test_a_caught_error_is_never_just_passed_over() -> None:
    silent = [f"{module.name}:{node.lineno}" for module in MODULES for node in ast.walk(module.tree)
              if isinstance(node, ast.ExceptHandler) and isinstance(node.type, ast.Name)
              and node.type.id in ("Exception", "BaseException")
              and all(isinstance(line, ast.Pass) for line in node.body)]
    assert silent == []


def test_a_wrapper_that_waits_has_nothing_costly_in_memory() -> None:
    program = (
        "import sys; import wrapper.cli, wrapper.opening, wrapper.supervisor; "
        "print(*sorted(sys.modules), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True,
                          timeout=60, check=True)
    assert NOT_RESIDENT & set(done.stdout.split()) == set()
