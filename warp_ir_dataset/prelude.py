"""How Warp heads a translation unit: two macros that vary, a constant prelude, then the code.

Warp writes the two macros from the module it compiles; everything after them up to the code is
the same text for every program of a target, so the dataset stores it once, as
`manifests/prelude_{cpu,cuda}.h`.
"""


def assemble(prelude: str, code: str, block_dim: int) -> str:
    """The full translation unit that Warp's compilers take.

    Args:
        prelude: constant header text of the target.
        code: generated source of one program, a row's `code`.
        block_dim: threads of a block; 1 for the CPU.
    """
    # Warp leaves out its bfloat16 overloads where a module doesn't name the type: they are slow
    # to compile.
    type_defines = "" if "bfloat16" in code else "#define WP_NO_BFLOAT16\n"
    return f"{type_defines}\n#define WP_TILE_BLOCK_DIM {block_dim}\n{prelude}{code}"
