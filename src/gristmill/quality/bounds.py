"""Bounds that are reckoned for each batch: `mean - max(0.2 * sigma, 4 * sigma / sqrt(n))`.

A fixed bound that is right for ten thousand rows raises false alarms on a hundred, by construction: a mean of fewer rows
strays further. So a bound may be a formula in `n`. It is arithmetic and nothing else, read from Python's own syntax tree:
numbers, names, + - * /, parentheses, and the functions below.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "abs": abs,
    "log": math.log,
    "max": max,
    "min": min,
    "sqrt": math.sqrt,
}
_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_SIGNS: Mapping[type[ast.unaryop], Callable[[float], float]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_LONGEST = 300
"""Characters; a bound that needs more cannot be reviewed."""


class FormulaError(ValueError):
    """A formula that means nothing, or has no value here; whoever knows its file and entry adds them."""


def read_formula(text: str) -> ast.expr:
    """The syntax tree of a formula, of which every node is arithmetic.

    Raises:
        FormulaError: it is none.
    """
    if len(text) > _LONGEST:
        raise FormulaError(f"the formula has {len(text)} characters, more than {_LONGEST}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FormulaError(f"'{text}' is not a formula") from error
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if not _is_arithmetic(node, called):
            allowed = f"numbers, names, + - * /, parentheses and {', '.join(FUNCTIONS)}"
            raise FormulaError(f"'{text}' is not a formula: '{ast.unparse(node)}' is none of {allowed}")
    return tree


def names_in(formula: ast.expr) -> set[str]:
    """The names whose values it needs."""
    called = {id(node.func) for node in ast.walk(formula) if isinstance(node, ast.Call)}
    return {node.id for node in ast.walk(formula) if isinstance(node, ast.Name) and id(node) not in called}


def value_of(formula: ast.expr, values: Mapping[str, float]) -> float:
    """What a formula is worth, a finite number.

    Raises:
        FormulaError: a name has no value, or the result is not a finite number.
    """
    if unknown := sorted(names_in(formula) - values.keys()):
        raise FormulaError(f"'{unknown[0]}' is not known here; known are {', '.join(sorted(values))}")
    try:
        value = float(_value(formula, values))
    except (ArithmeticError, ValueError, TypeError) as error:
        raise FormulaError(f"'{ast.unparse(formula)}' has no value ({error})") from error
    if not math.isfinite(value):
        raise FormulaError(f"'{ast.unparse(formula)}' is not finite")
    return value


def _is_arithmetic(node: ast.AST, called: set[int]) -> bool:
    match node:
        case ast.Constant(value=value):
            return type(value) in (int, float)
        case ast.Name(id=name):
            return id(node) not in called or name in FUNCTIONS
        case ast.BinOp(op=op):
            return type(op) in _OPERATORS
        case ast.UnaryOp(op=sign):
            return type(sign) in _SIGNS
        case ast.Call(func=func, args=args, keywords=keywords):
            return isinstance(func, ast.Name) and bool(args) and not keywords
    return isinstance(node, ast.operator | ast.unaryop | ast.expr_context)


def _value(node: ast.AST, values: Mapping[str, float]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return values[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_value(left, values), _value(right, values))
        case ast.UnaryOp(op=sign, operand=operand):
            return _SIGNS[type(sign)](_value(operand, values))
        case ast.Call(func=ast.Name(id=name), args=args):
            return FUNCTIONS[name](*(_value(argument, values) for argument in args))
    raise AssertionError(f"read_formula admits no {type(node).__name__}")
