"""Sizes that a ``torch.export`` file states as formulas of its open dimensions."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from functools import lru_cache

_MAX_CHARACTERS = 10_000
_MAX_SIZE = 2**63
_FUNCTIONS: Mapping[str, Callable[[list[int]], int]] = {
    "Add": sum,
    "CleanDiv": lambda values: values[0] // values[1],
    "FloorDiv": lambda values: values[0] // values[1],
    "Identity": lambda values: values[0],
    "Integer": lambda values: values[0],
    "Max": max,
    "Min": min,
    "Mod": lambda values: values[0] % values[1],
    "Mul": math.prod,
    "PythonMod": lambda values: values[0] % values[1],
}


def symbol_of(formula: str) -> str:
    """The symbol that a formula consists of, or ``""`` if it is more than one symbol."""
    node = _parsed(formula)
    return _symbol(node) if node is not None else ""


def evaluate(formula: str, sizes: Mapping[str, int]) -> int | None:
    """Value of a formula such as ``Add(Mul(Integer(2), Symbol('s0', positive=True)), Integer(1))``.

    Args:
        formula: As the file states it; only the few functions that sizes are made of are known.
        sizes: Values of the symbols.

    Returns:
        The value, or None if the formula has an unknown part or is not valid.
    """
    node = _parsed(formula)
    if node is None:
        return None
    try:
        value = _value(node, sizes)
    except (KeyError, IndexError, TypeError, ValueError, ArithmeticError, RecursionError):
        return None
    return value if 0 <= value < _MAX_SIZE else None


@lru_cache(maxsize=4096)
def _parsed(formula: str) -> ast.expr | None:
    if len(formula) > _MAX_CHARACTERS:
        return None
    try:
        return ast.parse(formula, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _value(node: ast.expr, sizes: Mapping[str, int]) -> int:
    symbol = _symbol(node)
    if symbol:
        return sizes[symbol]
    number = ast.literal_eval(node) if isinstance(node, (ast.Constant, ast.UnaryOp)) else None
    if number is not None:
        if type(number) is not int or abs(number) >= _MAX_SIZE:
            raise ValueError("not a size")
        return number
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise TypeError("not a call")
    value = _FUNCTIONS[node.func.id]([_value(argument, sizes) for argument in node.args])
    if abs(value) >= _MAX_SIZE:
        raise ValueError("not a size")
    return value


def _symbol(node: ast.expr) -> str:
    """Name of ``Symbol('name', ...)``, as newer files write it, or of a plain name, as older ones do."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Symbol" and node.args:
        name = node.args[0]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            return name.value
    return ""
