"""Holds the code to its own rules: directions of imports, sizes, where output may happen."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "edgebench"
FILES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {
    "PIL", "ai_edge_litert", "altair", "capstone", "dask", "distributed", "elftools", "ethosu", "mlxtend",
    "onnx", "onnxruntime",
    "optuna", "pandas", "pyarrow", "sklearn", "tflite_runtime", "torch", "unicorn",
    "vl_convert",
}  # fmt: skip
# Each layer may import those above it in this list; neighbours in one line do not import each other.
LAYERS = (
    {"errors"},
    {"core", "machine"},
    {"models"},
    {"targets", "meters", "spaces", "tasks", "store", "links"},
    {"compress"},
    {"search", "gate", "workers"},
    {"farm"},
    {"flows"},
    {"reports"},
    {"cli", "testing"},
    {"api_results", "api_inputs"},
    {"api", "api_gate"},
    {"api_budget"},
    {"pytest_plugin", "__main__"},
)
LEVEL = {name: number for number, names in enumerate(LAYERS) for name in names}
# The same within ``flows``.
FLOWS = (
    {"profile", "devices", "schema", "setup", "spaces", "zoo"},
    {"export", "recording", "calibrate", "check"},
    {"lut", "gate", "judging"},
    {"search"},
    {"compress"},
)
FLOW_LEVEL = {name: number for number, names in enumerate(FLOWS) for name in names}
# What reaches for files.
FILE_MODULES = {"glob", "io", "os", "pathlib", "shutil", "subprocess", "tempfile", "fcntl", "mmap"}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found.extend(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return found


def top_level_imports(path: Path) -> list[str]:
    found = []
    for node in tree(path).body:
        if isinstance(node, ast.Import):
            found.extend(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return found


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_imports_go_one_way(path: Path) -> None:
    own = layer(path)
    if own == "__init__":
        return
    for module in imports(path):
        parts = module.split(".")
        if parts[0] == "edgebench" and len(parts) > 1 and parts[1] not in {own, "errors"}:
            assert LEVEL[parts[1]] < LEVEL[own], f"{ids(path)} imports {module}"


@pytest.mark.parametrize("path", [path for path in FILES if layer(path) == "flows"], ids=ids)
def test_verbs_build_on_each_other_one_way(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[1].removesuffix(".py")
    for module in imports(path):
        parts = module.split(".")
        if parts[:2] == ["edgebench", "flows"] and len(parts) > 2 and parts[2] != own:
            assert FLOW_LEVEL[parts[2]] < FLOW_LEVEL[own], f"{ids(path)} imports {module}"


@pytest.mark.parametrize("path", [path for path in FILES if layer(path) == "reports"], ids=ids)
def test_reports_know_no_verb(path: Path) -> None:
    assert not [module for module in imports(path) if module.split(".")[:2] == ["edgebench", "flows"]]


@pytest.mark.parametrize("path", [path for path in FILES if layer(path) in {"core", "gate", "search"}], ids=ids)
def test_vocabulary_and_mathematics_touch_no_files(path: Path) -> None:
    assert not FILE_MODULES & {module.split(".")[0] for module in imports(path)}
    names = {
        node.func.id for node in ast.walk(tree(path)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert "open" not in names


def test_links_carry_bytes_and_know_no_meaning() -> None:
    known = {"links", "core", "machine", "errors"}
    for path in (PACKAGE / "links").glob("*.py"):
        assert {module.split(".")[1] for module in imports(path) if module.startswith("edgebench.")} <= known


def test_kinds_of_workers_do_not_know_each_other_nor_the_base_them() -> None:
    kinds = {path.name for path in (PACKAGE / "workers").iterdir() if (path / "__main__.py").is_file()}
    assert kinds == {"measuring", "training"}
    for path in (PACKAGE / "workers").rglob("*.py"):
        if path.name == "local.py":
            # It puts them together.
            continue
        own = path.relative_to(PACKAGE / "workers").parts[0]
        others = {module.split(".")[2] for module in imports(path) if module.startswith("edgebench.workers.")}
        assert not others & (kinds - {own}), ids(path)


def test_flows_start_no_process() -> None:
    """They are given workers, which may be anywhere."""
    for path in (PACKAGE / "flows").rglob("*.py"):
        assert not {"subprocess", "multiprocessing"} & set(imports(path)), ids(path)
        assert not [module for module in imports(path) if module.startswith("edgebench.links")], ids(path)


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_heavy_packages_are_imported_where_they_are_used(path: Path) -> None:
    assert not HEAVY & {module.split(".")[0] for module in top_level_imports(path)}


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_files_and_functions_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            # A command's signature is its help text; only the body counts.
            first = node.body[1] if len(node.body) > 1 and ast.get_docstring(node) else node.body[0]
            length = (node.end_lineno or 0) - first.lineno + 1
            assert length <= 50, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_only_the_command_line_prints(path: Path) -> None:
    if layer(path) == "cli":
        return
    calls = [node.func for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call, ast.Name) and call.id == "print"]


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_nothing_unpickles_evaluates_or_starts_a_shell(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in {
                "eval",
                "exec",
                "os.system",
                "os.popen",
                "pickle.loads",
                "pickle.load",
            }
            for keyword in node.keywords:
                value = ast.unparse(keyword.value)
                assert (keyword.arg, value) not in {
                    ("shell", "True"),
                    ("allow_pickle", "True"),
                    ("weights_only", "False"),
                }
        assert not isinstance(node, ast.Assert) or layer(path) == "testing", "assert is not validation"


def test_pydantic_is_the_business_of_the_store() -> None:
    users = {layer(path) for path in FILES if any(module.split(".")[0] == "pydantic" for module in imports(path))}
    assert users <= {"store"}


def test_every_public_thing_is_documented() -> None:
    missing = [
        f"{ids(path)}: {node.name}"
        for path in FILES
        for node in tree(path).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not missing


def test_nothing_names_a_place_of_its_making() -> None:
    tracked = [*FILES, *ROOT.glob("*.md"), *ROOT.glob("devices/*"), ROOT / "pyproject.toml", ROOT / "Makefile"]
    for path in tracked:
        text = path.read_text(encoding="utf-8")
        for forbidden in ("/" + "work/", "/" + "root/", "pypi" + "-more"):
            assert forbidden not in text, f"{path} names {forbidden}"
