"""Boolean expressions and choices: what Python's `and`, `or`, `not` and `if … else` cannot overload."""

from generator.synthesis import types as T
from generator.synthesis.tree import Boolean, Compare, Expr, Operand, Ternary, Unary, compare, lift


def all_of(*conditions: Expr) -> Expr:
    """``a and b and …``."""
    return conditions[0] if len(conditions) == 1 else Boolean("and", conditions)


def any_of(*conditions: Expr) -> Expr:
    """``a or b or …``."""
    return conditions[0] if len(conditions) == 1 else Boolean("or", conditions)


def negate(condition: Expr) -> Expr:
    """``not condition``."""
    return Unary("not", condition, T.BOOL)


def between(
    low: Operand, value: Expr, high: Operand, ops: tuple[str, str] = ("<=", "<")
) -> Compare:
    """The chain ``low <= value < high``."""
    return compare(low, ops[0], value, ops[1], high)


def choose(condition: Expr, then: Operand, otherwise: Operand) -> Ternary:
    """``then if condition else otherwise``."""
    like = (
        then.type
        if isinstance(then, Expr)
        else otherwise.type
        if isinstance(otherwise, Expr)
        else None
    )
    a, b = lift(then, like), lift(otherwise, like)
    if a.type != b.type:
        raise TypeError(f"branches of {a.type} and {b.type}")
    return Ternary(condition, a, b, a.type)
