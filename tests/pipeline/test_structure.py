"""The shape of the code: who may import whom, and how long a thing may be."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

MODULES = sorted([*ROOT.glob("src/**/*.py"), *ROOT.glob("stages/*.py")])
PACKAGES = sorted({path.parent for path in MODULES})
MODULE_LINES, FUNCTION_LINES = 300, 80
# A room imports from those in rows below it, and from itself.
ROWS = [
    ["stages"],
    [
        "src.compare",
        "src.corrections",
        "src.cross_validation",
        "src.dataset_report",
        "src.export",
        "src.lr_finder",
        "src.predict",
        "src.seeds",
    ],
    ["src.report", "src.training"],
    ["src.blindspots"],
    ["src.explanation"],
    ["src.evaluation"],
    ["src.download"],
    ["src.data", "src.models"],
    ["src.copies", "src.launch"],
    [
        "src.hardware",
        "src.figures",
        "src.schema",
        "src.command",
        "src.network",
        "src.workers",
        "src.distributed",
    ],
    ["src.overrides"],
    ["src.params", "src.progress", "src.cpus"],
    ["src.params_file", "src.defaults", "src.preprocessing", "src.outputs"],
    ["src.artifacts"],
    ["src.places"],
    ["src"],
    ["src.errors", "src.isolation", "src.supported", "src.streams", "src.ranks"],
]
LEVELS = {room: len(ROWS) - number for number, row in enumerate(ROWS) for room in row}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path) for path in MODULES}


def room_of(module: str) -> str:
    """A folder of src, a module in src itself, or `stages`."""
    return "stages" if module.startswith("stages") else ".".join(module.split(".")[:2])


def imported_by(path: Path) -> Iterator[str]:
    """The project's modules that a module names in its import statements, wherever in it they stand."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            # `from src import artifacts` names a module, `from src.artifacts import require` what is in one.
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in NAMES else node.module for name in inside]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in ("src", "stages"))


IMPORTS = {name_of(path): set(imported_by(path)) for path in MODULES}


def test_every_room_has_its_row():
    assert {room_of(name) for name in NAMES} == set(LEVELS)


def test_imports_run_one_way():
    upwards = [
        f"{module} imports {other}"
        for module, others in IMPORTS.items()
        for other in others
        if LEVELS[room_of(other)] > LEVELS[room_of(module)] - (room_of(other) != room_of(module))
    ]
    assert upwards == []


def test_stages_know_nothing_of_each_other():
    assert [module for module, others in IMPORTS.items() if any(room_of(o) == "stages" for o in others)] == []


def test_there_is_no_circle():
    seen: set[str] = set()

    def visit(module: str, way: tuple[str, ...] = ()) -> None:
        assert module not in way, " → ".join((*way, module))
        if module not in seen:
            for other in IMPORTS[module]:
                visit(other, (*way, module))
            seen.add(module)

    for module in IMPORTS:
        visit(module)


def test_packages_import_nothing():
    # Importing one module of a room imports no other, and DVC need not know of these files. The outermost two
    # come before everything else, and see to it that no library reads the user's settings.
    assert IMPORTS["stages"] == {"src"}
    assert IMPORTS["src"] == {"src.isolation"}
    for package in PACKAGES:
        if package.parent == ROOT:
            continue
        body = ast.parse((package / "__init__.py").read_text()).body
        assert [node for node in body if not isinstance(node, ast.Expr)] == [], package


def test_nothing_is_too_long():
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= MODULE_LINES, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno - node.lineno < FUNCTION_LINES, f"{path}: {node.name}"
