"""Generic code: kernels and functions annotated with ``Any``, with the types they are used at."""

from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.walk import mapped, walk

_MOST_PARAMETERS = 12  # people write small kernels for any type, not large ones


def generic_functions(p: ProgramBuilder) -> None:
    """Annotates functions whose bodies are written for any type, where the policy says so."""
    concrete = _must_stay_concrete(p)
    for function in p.functions:
        if p.on("generic_function") and function.name not in concrete and _may_be_generic(function):
            _make_generic(p, function)


def _must_stay_concrete(p: ProgramBuilder) -> set[str]:
    """Overloads, custom gradients, functions called by keyword: Warp wants their types spelt out."""
    assert p.kernel
    bodies = [p.kernel.body, *(f.body for f in p.functions)]
    keyworded = {n.callee for n in walk(bodies) if isinstance(n, N.Call) and n.kwargs}
    names = [f.name for f in p.functions]
    gradients = [f for f in p.functions if f.decorator == "wp.func_grad"]
    return (
        keyworded
        | {n for n in names if names.count(n) > 1}
        | {n for f in gradients for n in (f.name, *f.decorator_args)}
    )


def _may_be_generic(f: N.FunctionDef) -> bool:
    """Whether the body names no concrete type, so that it is written for any."""
    if f.native or f.concrete or any(q.by_reference for q in f.params):
        return False
    for node in walk(f.body):
        if isinstance(node, N.Construct | N.TypeRef):
            return False
        if isinstance(node, N.Literal) and isinstance(node.type, T.Scalar) and node.type.is_float:
            return False
    return any(_is_plain(q.type) for q in f.params)


def _is_plain(t: T.Type) -> bool:
    return isinstance(t, T.Vec | T.Mat | T.Quat | T.SpatialVec) or (
        isinstance(t, T.Scalar) and t.is_float
    )


def _make_generic(p: ProgramBuilder, f: N.FunctionDef) -> None:
    """Annotates parameters with ``Any``: all that can be, or one type's worth."""
    candidates = [q for q in f.params if _is_plain(q.type) and q.default is None]
    if p.chance(0.4) and candidates:
        candidates = [q for q in candidates if q.type == candidates[0].type]
    for parameter in candidates:
        parameter.generic = True


def generic_kernel(
    p: ProgramBuilder, k: KernelBuilder, kernel: N.KernelDef
) -> dict[str, T.Type] | None:
    """Makes the kernel generic in the program's precision; the types of its overload, or None.

    Literals and casts of that precision are spelt through an argument: ``x.dtype(0.5)``.
    """
    anchor = _anchor(p, kernel)
    if (
        anchor is None
        or not p.on("generic_kernel")
        or _needs_types(k)
        or not _convertible(p, kernel)
    ):
        return None

    def spell(e: N.Expr) -> N.Expr | None:
        if isinstance(e, N.Literal) and e.type == p.real:
            return N.DtypeOf(
                anchor.name, isinstance(anchor.type, T.Array), N.Literal(e.value, T.F32), p.real
            )
        if isinstance(e, N.Construct) and e.type == p.real:
            inner = e.args[0]
            value = (
                N.Literal(inner.value, T.F32)
                if isinstance(inner, N.Literal)
                else mapped(inner, spell)
            )
            return N.DtypeOf(anchor.name, isinstance(anchor.type, T.Array), value, p.real)
        return None

    mapped(kernel.body, spell)
    types: dict[str, T.Type] = {}
    for parameter in kernel.params:
        if _follows(p, parameter.type):
            parameter.generic = True
            types[parameter.name] = parameter.type
    return types


def _needs_types(k: KernelBuilder) -> bool:
    """Whether Warp could not infer the type of an argument: no array is given, or an indexed one."""
    return any(a.recipe["kind"] in ("none", "indexed_array") for a in k.arguments)


def _anchor(p: ProgramBuilder, kernel: N.KernelDef) -> N.Parameter | None:
    arrays = [q for q in kernel.params if isinstance(q.type, T.Array) and q.type.dtype == p.real]
    scalars = [q for q in kernel.params if q.type == p.real]
    return (arrays or scalars or [None])[0]  # type: ignore[list-item]


def _follows(p: ProgramBuilder, t: T.Type) -> bool:
    """Whether a parameter is annotated with ``Any``: of the program's precision, or an array of it."""
    dtype = t.dtype if isinstance(t, T.Array) else t
    whole = isinstance(dtype, T.Vec | T.Mat | T.Quat) and dtype.scalar == p.real
    return whole or dtype == p.real


def _convertible(p: ProgramBuilder, kernel: N.KernelDef) -> bool:
    """Whether the body names the precision in literals and casts only, and Warp can infer every argument's type."""
    if any(isinstance(q.type, T.Opaque) for q in kernel.params):  # textures
        return False
    if len(kernel.params) > _MOST_PARAMETERS:
        return False
    dtypes = [q.type.dtype if isinstance(q.type, T.Array) else q.type for q in kernel.params]
    if any(isinstance(t, T.StructType | T.Transform | T.SpatialVec | T.SpatialMat) for t in dtypes):
        return False
    if not _called_generically(p):
        return False
    for node in walk(kernel.body):
        if isinstance(node, N.TypeRef | N.DtypeOf):
            return False
        if isinstance(node, N.Construct) and node.type != p.real and _names_precision(node.type):
            return False
    return True


def _called_generically(p: ProgramBuilder) -> bool:
    """Whether no function of the program asks for the precision that the kernel leaves open."""
    return not any(_follows(p, q.type) and not q.generic for f in p.functions for q in f.params)


def _names_precision(t: T.Type) -> bool:
    return isinstance(t, T.StructType) or T.scalar_of(t).is_float
