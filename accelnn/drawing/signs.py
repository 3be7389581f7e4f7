"""How an operation is written: its sign inside a circle, and its formula in a line of text."""

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

#: Operation -> what stands in its circle; one that is not here goes by its own name.
SIGNS = {
    "add": "+",
    "sub": "−",
    "mul": "×",
    "div": "÷",
    "neg": "−( )",
    "matmul": "@",
    "abs": "| |",
    "sqrt": "√",
    "square": "( )²",
    "maximum": "max",
    "minimum": "min",
    "sum": "Σ",
    "reshape": "shape",
    "transpose": "( )ᵀ",
    "getitem": "[ ]",
    "linear": "x Wᵀ + b",
    "sigmoid": "σ",
    "relu": "ReLU",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "log_softmax": "log softmax",
    "log_sigmoid": "log σ",
    "squared_error": "squared error",
    "binary_cross_entropy": "cross-entropy",
    "cross_entropy": "cross-entropy",
    "l1_loss": "|error|",
}

#: Operations that are written between their two operands.
_BETWEEN = {
    "add": "+",
    "sub": "−",
    "mul": "·",
    "div": "/",
    "matmul": "@",
    "pow": "^",
}

#: Those into whose circle a constant operand is written.
TAKES_CONSTANT = frozenset({"add", "sub", "mul", "div", "maximum", "minimum", "pow"})

_PLAIN, _RAISED = "-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
_SUPERSCRIPTS = str.maketrans(_PLAIN, _RAISED)
_SUBSIDED = str.maketrans(_RAISED, _PLAIN)

_ASCII = {
    "·": "*",
    "−": "-",
    "×": "*",
    "÷": "/",
    "√": "sqrt",
    "Σ": "sum",
    "σ": "sigmoid",
    "ᵀ": ".T",
    "‖*‖": "norm",
    "‖": "|",
    "→": "->",
    "ⁿ": "^n",
    "…": "...",
}


def exponent_of(node: Any) -> Any:
    """Return the exponent of a power, or None where it is not known.

    It is no tensor, so only the way back knows it, and that goes when a backward pass uses it.
    """
    if node.name != "pow" or len(node.parents) > 1 or not inspect.isfunction(node.backward):
        return None
    return inspect.getclosurevars(node.backward).nonlocals.get("exponent")


def sign(name: str, constants: Sequence[str | None], exponent: str | None) -> str:
    """Return what stands in the circle.

    Parameters
    ----------
    name : str
        Of the operation.
    constants : sequence of str or None
        One for each operand: its number where it is a constant drawn inside the circle.
    exponent : str or None
        Of a power.

    Examples
    --------
    >>> sign("mul", [None, None], None), sign("sub", ["1", None], None), sign("pow", [None], "2")
    ('×', '1 −', '( )²')
    """
    if name == "pow" and len(constants) == 1:
        return _power("( )", exponent)
    if name == "linear" and len(constants) == 2:
        return "x Wᵀ"
    if len(constants) == 2 and any(constants):
        first, second = constants
        symbol = SIGNS.get(name, "^")
        if name in ("maximum", "minimum"):
            return f"{symbol}({first or second}, ·)"
        if name in ("add", "mul"):
            return f"{symbol} {first or second}"
        return f"{first} {symbol}" if first else f"{symbol} {second}"
    return SIGNS.get(name, name)


def formula(name: str, operands: Sequence[str], exponent: str | None) -> str:
    """Return the operation on named operands.

    Examples
    --------
    >>> formula("mul", ["a", "b"], None), formula("exp", ["z"], None), formula("pow", ["e"], "2")
    ('a · b', 'exp(z)', 'e²')
    """
    if name in _BETWEEN and len(operands) == 2:
        return f" {_BETWEEN[name]} ".join(_bracketed(operand) for operand in operands)
    if name in _FORMS and (name != "pow" or len(operands) == 1):
        return _FORMS[name](operands, exponent)
    shown = "linear" if name == "linear" else SIGNS.get(name, name)
    return f"{shown}({', '.join(operands)})"


_FORMS: dict[str, Callable[[Sequence[str], str | None], str]] = {
    "pow": lambda operands, exponent: _power(_bracketed(operands[0]), exponent),
    "square": lambda operands, _: _power(_bracketed(operands[0]), "2"),
    "neg": lambda operands, _: f"−{_bracketed(operands[0])}",
    "abs": lambda operands, _: f"|{operands[0]}|",
    "transpose": lambda operands, _: f"{operands[0]}ᵀ",
    "getitem": lambda operands, _: f"{operands[0]}[…]",
    "reshape": lambda operands, _: f"reshape({operands[0]})",
}


def _power(base: str, exponent: str | None) -> str:
    if exponent is None:
        return f"{base}ⁿ"
    whole = exponent.removeprefix("-").isdecimal()
    return base + (exponent.translate(_SUPERSCRIPTS) if whole else f"^{exponent}")


def _bracketed(operand: str) -> str:
    """A negative number is a constant behind a sign of its own: 2 + (-3)."""
    return f"({operand})" if operand.startswith("-") else operand


def in_ascii(text: str) -> str:
    """Return a text for terminals that know no other signs; what has no name there is a "?"."""
    text = re.sub(f"[{_RAISED}]+", lambda found: "^" + found[0].translate(_SUBSIDED), text)
    for sign, plain in _ASCII.items():
        text = text.replace(sign, plain)
    return text.encode("ascii", "replace").decode()
