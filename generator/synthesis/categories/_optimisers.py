"""What optimisers update: variables of one or several components."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.entities import Entities, Field
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr, Name

METHOD_NAMES = {
    "sgd": "sgd_step|gradient_descent|apply_gradients",
    "momentum": "momentum_step|sgd_momentum|heavy_ball",
    "nesterov": "nesterov_step|accelerated_gradient",
    "adam": "adam_step|adam_update|apply_adam",
    "adamw": "adamw_step|adamw_update|decoupled_adam",
    "adagrad": "adagrad_step|adagrad_update",
    "rmsprop": "rmsprop_step|rmsprop_update",
    "lion": "lion_step|lion_update|sign_momentum",
    "adadelta": "adadelta_step|adadelta_update",
    "rprop": "rprop_step|resilient_step",
    "amsgrad": "amsgrad_step|amsgrad_update",
    "adamax": "adamax_step|adamax_update",
}


class Variable:
    """The optimised unknown of this thread: a scalar or a vector, and how to measure it."""

    def __init__(self, p: ProgramBuilder, e: Entities) -> None:
        self.p, self.e, self.k = p, e, e.k
        self.width = p.weighted({1: 6, 3: 3, 2: 1, 4: 0.7})
        self.type: T.Type = p.real if self.width == 1 else p.vec(self.width)

    def inout(self, hint: str, low: float = -1.0, high: float = 1.0) -> Field:
        """State that the step updates."""
        return self.e.inout(hint, self.type, R.uniform(low, high))

    def given(self, hint: str, low: float = -1.0, high: float = 1.0) -> Field:
        """An input of the step."""
        return self.e.field(hint, self.type, R.uniform(low, high))

    def times(self, a: Expr, b: Expr) -> Expr:
        """Component-wise product."""
        return a * b if self.width == 1 else wp.cw_mul(a, b)

    def over(self, a: Expr, b: Expr) -> Expr:
        """Component-wise quotient."""
        return a / b if self.width == 1 else wp.cw_div(a, b)

    def each(self, form: Callable[[Expr], Expr], v: Expr) -> Expr:
        """A scalar function of every component."""
        if self.width == 1:
            return form(v)
        if not isinstance(v, Name):
            v = self.k.let("raw|cand|inner", v)
        return construct(self.type, *(form(v[c]) for c in range(self.width)))

    def size(self, v: Expr) -> Expr:
        """Magnitude."""
        return wp.abs(v) if self.width == 1 else wp.length(v)

    def square(self, v: Expr) -> Expr:
        """Squared magnitude."""
        return v * v if self.width == 1 else wp.dot(v, v)
