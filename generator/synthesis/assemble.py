"""From a builder to a finished program: gather parameters, order arguments, render, describe."""

import random
from typing import Any

from generator.records import Program
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.calls import call_forms, kernel_defaults
from generator.synthesis.diagnostics import diagnostics
from generator.synthesis.generic import generic_functions, generic_kernel
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.prune import prune
from generator.synthesis.render import Renderer
from generator.synthesis.rewrite import rewrite
from generator.synthesis.style import draw
from generator.synthesis.walk import names_used

_DEFAULT_BLOCK_DIM = 256


def assemble(
    p: ProgramBuilder, *, index: int, seed: int, category: str, cosmetics: random.Random
) -> Program:
    """The finished program of a builder whose category has run.

    Raises:
        ValueError: the category made no kernel or no launch dimensions.
    """
    k = p.kernel
    if k is None or not k.launch_dim:
        raise ValueError(f"category {category} made no kernel with launch dimensions")
    rewrite(p, k)
    prune(k)
    diagnostics(p, k)
    call_forms(p, k)
    k.close(
        p.pick("Params", "SimParams", "ModelParams", "SolverParams", "KernelParams", "Settings")
    )
    _drop_unused(k)
    arguments = sorted(k.arguments, key=lambda a: a.group) if p.chance(0.8) else k.arguments
    kernel = N.KernelDef(k.name, [N.Parameter(a.name, a.type) for a in arguments], k.body, k.doc)
    kernel.options = _options(p, k)
    _bare_returns(p, k)
    generic_functions(p)
    module = N.Module(p.doc, [*p.constants, *p.structs, *p.functions], kernel)
    module.factory = _factory(p, k)
    if module.factory is None and p.on("method_kernel"):
        module.owner = p.names.fresh(
            p.pick("Solver|Simulator|Model|Stepper|Pipeline", "Integrator|Operator|Scheme|Engine")
        )
    if module.factory is None and not module.owner and k.block_dim is None:
        module.overload = generic_kernel(p, k, kernel)
    if module.overload is None:
        kernel_defaults(p, kernel, arguments)
    module.postponed = (
        not module.overload
        and module.factory is None
        and not p.functions
        and p.on("postponed_annotations")
    )
    if module.postponed:
        p.features.add("string_annotations")
    style = draw(cosmetics, p.on)
    renderer = Renderer(style)
    text = renderer.module(module)
    features = renderer.marks | p.features | _kernel_features(k, kernel)
    recipes = {a.name: a.recipe for a in arguments}
    launch = _launch(k, seed, {q.name: recipes[q.name] for q in kernel.params})
    return Program(
        index, seed, category, k.name, text, tuple(sorted(features)),
        tuple(sorted(renderer.printer.builtins)), launch,
    )  # fmt: skip


def _drop_unused(k: KernelBuilder) -> None:
    """Takes back arguments that no statement came to use."""
    used = names_used(k.body) | {a.recipe["points"] for a in k.arguments if "points" in a.recipe}
    k.arguments[:] = [a for a in k.arguments if a.name in used]


def _bare_returns(p: ProgramBuilder, k: KernelBuilder) -> None:
    """Functions that wp.grad is taken of, and those that return tiles: with ``-> float`` or
    ``-> wp.tile(…)`` Warp 1.19 generates an adjoint that does not compile."""
    used = names_used([*k.body, *(s for f in p.functions for s in f.body)])
    for function in p.functions:
        differentiated = f"wp.grad({function.name})" in used
        function.bare_return = differentiated or isinstance(function.returns, T.Tile)


def _options(p: ProgramBuilder, k: KernelBuilder) -> dict[str, object]:
    options: dict[str, object] = dict(k.options)
    if p.on("no_backward"):
        options["enable_backward"] = False
    if p.on("launch_bounds") and k.block_dim is None:
        options["launch_bounds"] = p.pick(64, 128, 256)
    if p.on("unique_module") or p.on("module_options"):
        options["module"] = "unique"
    if p.on("no_grid_stride"):
        options["grid_stride"] = False
    if p.on("cluster"):
        options["cluster_dim"] = 2
    if p.on("module_options"):
        options["module_options"] = p.pick(
            {"fast_math": True}, {"max_unroll": 4}, {"max_unroll": 32}
        )
    return options


def _factory(p: ProgramBuilder, k: KernelBuilder) -> N.Factory | None:
    if not p.captured:
        return None
    captured = {name for name, _, _ in p.captured}
    nested: list[N.FunctionDef] = []
    for f in p.functions:
        if names_used(f.body) & (captured | {g.name for g in nested}):
            nested.append(f)
    verb = p.pick("make", "create", "build", "get")
    suffix = p.pick("", "_kernel")
    return N.Factory(p.names.fresh(f"{verb}_{k.name}{suffix}"), list(p.captured), nested)


def _kernel_features(k: KernelBuilder, kernel: N.KernelDef) -> set[str]:
    marks: set[str] = {
        name
        for name in ("launch_bounds", "module_options", "grid_stride", "cluster_dim")
        if name in kernel.options
    }
    if kernel.options.get("enable_backward") is False:
        marks.add("no_backward")
    if kernel.options.get("module") == "unique":
        marks.add("unique_module")
    if len(k.launch_dim) > 1 and k.block_dim is None:
        marks.add(f"tid{len(k.launch_dim)}")
    if any(isinstance(a.type, T.Array) and a.type.ndim > 1 for a in k.arguments):
        marks.add("ndim2")
    return marks


def _launch(k: KernelBuilder, seed: int, arguments: dict[str, Any]) -> dict[str, Any]:
    options = {"block_dim": k.block_dim or _DEFAULT_BLOCK_DIM}
    if k.block_dim is not None and k.tiled:
        options["tiled"] = True
    return {
        "kernel": k.name, "dim": list(k.launch_dim), "options": options, "seed": seed,
        "args": arguments,
    }  # fmt: skip
