"""How often programs use what: probabilities that each program draws from once.

The defaults follow the shares of hand-written kernels. A config may override any of them by name
under ``synthesis: policy:``.
"""

import random
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Policy:
    """Probability of each program-wide feature."""

    # structure
    batched: float = 0.19  # a leading world / environment dimension: tid in 2-D, arrays in 2-D
    active_list: float = 0.08  # threads go through a list of active indices
    padded_launch: float = 0.16  # launched with more threads than items, guarded by a count
    params_struct: float = 0.08  # parameters gathered in a struct
    params_constant: float = 0.10  # a parameter is a module constant
    params_per_world: float = 0.35  # in batched programs, a parameter is an array over worlds
    array_of_structs: float = 0.04
    flat_grid: float = 0.24  # 2-D and 3-D grids addressed through flattened arrays
    guard: float = 0.30  # an early exit on a mask, flag or bound
    helper_function: float = 0.45  # a piece of work becomes a @wp.func instead of inline statements
    fused: float = 0.84  # a further step in the same kernel, drawn again after each
    double: float = 0.07
    dense: float = 0.5  # locals used once stand where they are used
    named_repeats: float = 0.85  # a neighbour that is read again gets a local
    outline: float = 0.45  # values of locals moved into functions
    guard_else: float = 0.45  # a guard that copies values becomes a branch with an else
    guard_inside: float = 0.25  # the work stands inside the condition of the guard
    branch_values: float = 0.5  # conditional values as branches with an else
    generic_kernel: float = 0.6  # where the body allows it
    keyword_calls: float = 0.04  # later arguments of user functions are given by name
    default_arguments: float = 0.02  # a number in a function becomes a parameter with a default
    kernel_defaults: float = 0.006  # scalar parameters of the kernel have defaults
    assertions: float = 0.012  # bounds of an index are asserted before it is used
    debug_output: float = 0.02  # a value that is not finite is reported
    static: float = 0.45  # closure variables read through wp.static
    # options of the kernel
    no_backward: float = 0.22
    unique_module: float = 0.10
    factory: float = 0.17  # the kernel is a closure made by a Python function
    launch_bounds: float = 0.006
    module_options: float = 0.02
    no_grid_stride: float = 0.006
    cluster: float = 0.004
    method_kernel: float = 0.01  # the kernel is a method of a class
    postponed_annotations: float = 0.02  # from __future__ import annotations
    # cosmetics
    docstring: float = 0.49
    comments: float = 0.40
    subscript_annotation: float = 0.70
    explicit_scalars: float = 0.15  # wp.float32 and wp.int32 instead of float and int
    return_annotation: float = 0.45
    plain_builtins: float = 0.05  # min and max of Python
    circle_constants: float = 0.4  # wp.pi and wp.tau instead of their digits
    math_module: float = 0.02  # functions of Python's math module
    operator_calls: float = 0.035  # arithmetic spelt as calls of Warp's operators
    bit_calls: float = 0.25  # likewise for operations on bits
    untyped_constructors: float = 0.08  # wp.vector and wp.matrix instead of the typed names
    full_constructors: float = 0.18  # likewise wp.quaternion and wp.transformation
    approximate_division: float = 0.004  # wp.div_approx, throughout the program
    len_calls: float = 0.05  # the leading extent of an array by len
    generic_function: float = 0.22  # a function whose body allows it is annotated with Any


NAMES = frozenset(f.name for f in fields(Policy))


class Draw:
    """One program's choices: each feature is drawn once, on first use, and then stays."""

    def __init__(self, policy: Policy, rng: random.Random) -> None:
        self._policy = policy
        self._rng = rng
        self._drawn: dict[str, bool] = {}

    def __call__(self, feature: str) -> bool:
        if feature not in self._drawn:
            self._drawn[feature] = self._rng.random() < getattr(self._policy, feature)
        return self._drawn[feature]
