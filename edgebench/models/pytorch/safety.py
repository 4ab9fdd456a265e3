"""Makes ``torch.export`` archives safe to load.

``torch.export.load`` unpickles sample inputs, and tensors if the archive asks for it; it resolves an
operator's name by attribute look-ups that start at ``torch``; it evaluates symbolic shapes as Python
expressions, compiles guards from source text, and loads libraries from the archive. An archive from
elsewhere can use each of these to run code. What ``torch.export.save`` writes for an ordinary network needs
none of them, so edgebench gives torch a copy with only checked tables and plain tensors.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgebench.errors import InputError

_OPERATOR = re.compile(
    r"torch\.ops\.\w+\.\w+(\.\w+)?|torch\.sym_\w+|math\.\w+"
    r"|_operator\.(add|sub|mul|truediv|floordiv|mod|pow|neg|ge|gt|le|lt|eq|ne|and_|or_|not_|getitem)"
)
_SYMBOL = re.compile(r"Symbol\('(\w+)'")
_ARITHMETIC = re.compile(r"[A-Za-z0-9_ +\-*/(),.<>=]*")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
_KNOWN_IDENTIFIER = re.compile(
    r"[A-Za-z]{1,3}\d+|Symbol|Integer|Float|Rational|Add|Mul|Pow|Max|Min|Mod|PythonMod|FloorDiv|CleanDiv|IntTrueDiv"
    r"|Eq|Ne|Ge|Gt|Le|Lt|And|Or|Not|floor|ceiling|Piecewise|ExprCondPair|positive|nonnegative|integer|real|evaluate"
    r"|True|False|oo|int_oo"
)
_SAVING_OPERATORS = re.compile(r"torch\.ops\.(aten\.(save|from_file)|profiler|prims?\.\w*import)")
_MAX_GRAPH_BYTES = 256 * 2**20
_PLAIN_ENTRIES = re.compile(r"[^/]+/(archive_format|archive_version|byteorder|\.data/\w+|data/(weights|constants)/\w+)")
_TABLES = re.compile(r"[^/]+/(models/\w+|data/(weights|constants)/\w+_config)\.json")
_SAMPLE_INPUTS = re.compile(r"[^/]+/data/sample_inputs/\w+\.pt")


def sanitised_archive(path: Path) -> io.BytesIO:
    """Copy the safe parts of an archive: checked tables, plain tensors, no sample inputs, no guards.

    Returns:
        An archive in memory that ``torch.export.load`` reads like the original.

    Raises:
        InputError: The archive contains pickled objects, an operator that is not one, or an expression that
            is more than arithmetic; or it is damaged.
    """
    copy = io.BytesIO()
    try:
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(copy, "w") as safe:
            for entry in archive.infolist():
                safe_bytes = _safe_bytes(archive, entry)
                if safe_bytes is not None:
                    safe.writestr(entry.filename, safe_bytes)
    except (zipfile.BadZipFile, ValueError, RecursionError, OSError, EOFError, NotImplementedError) as error:
        raise InputError(f"the archive is damaged: {error}", where=path.name) from error
    copy.seek(0)
    return copy


def _safe_bytes(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes | None:
    if entry.compress_type != zipfile.ZIP_STORED:
        raise InputError(f"{entry.filename} is compressed, which torch.export.save never does")
    if _TABLES.fullmatch(entry.filename):
        if entry.file_size > _MAX_GRAPH_BYTES:
            raise InputError(f"{entry.filename} has {entry.file_size} bytes of graph")
        table = json.loads(archive.read(entry))
        _check_table(table, entry.filename)
        if isinstance(table, dict) and "guards_code" in table:
            table["guards_code"] = []
        return json.dumps(table).encode()
    if _SAMPLE_INPUTS.fullmatch(entry.filename):
        return b""
    return archive.read(entry) if _PLAIN_ENTRIES.fullmatch(entry.filename) else None


def _check_table(table: Any, name: str) -> None:
    for key, value in _items(table):
        if key == "use_pickle" and value:
            raise _refusal(f"{name} asks for pickled objects")
        if key == "target" and isinstance(value, str) and not _is_operator(value):
            raise _refusal(f"{name} calls {value!r}, which is not an operator")
        if key == "expr_str" and not (isinstance(value, str) and _is_arithmetic(value)):
            raise _refusal(f"{name} contains the expression {value!r}")


def _is_operator(target: str) -> bool:
    known = _OPERATOR.fullmatch(target) is not None and "__" not in target
    return known and not _SAVING_OPERATORS.match(target)


def _is_arithmetic(expression: str) -> bool:
    plain = _SYMBOL.sub(r"Symbol(\1", expression)
    names_known = all(_KNOWN_IDENTIFIER.fullmatch(name) for name in _IDENTIFIER.findall(plain))
    return names_known and _ARITHMETIC.fullmatch(plain) is not None


def _refusal(what: str) -> InputError:
    return InputError(
        f"the archive could run its own code: {what}",
        remedy="export the model to ONNX, or save it again with torch.export.save and plain float weights",
    )


def _items(table: Any) -> Iterator[tuple[str, Any]]:
    pending = [table]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            yield from value.items()
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
