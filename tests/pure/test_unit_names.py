"""Programs of a compile unit keep apart by a prefix, of which no trace is left in a slice."""

from generator.lowering.unit_names import prefix, with_prefix, without_prefix

CODE = """\
struct Params_s0
{
    wp::float32 gain;

    CUDA_CALLABLE Params_s0(wp::float32 const& gain = {})
        : gain(gain)
    {
    }
};

static CUDA_CALLABLE void adj_Params_s0(wp::float32 const&, Params_s0 & adj_ret)
{
}

CUDA_CALLABLE Params_s0 add(const Params_s0& a, const Params_s0& b)
{
    return a;
}

static wp::float32 shout_0(
    wp::float32 var_x)
{
    printf("} static void quoted_0(int) {");
    return var_x;
}

template <bool wp_linear_contiguous>
static void scale_cpu_kernel_forward(
    wp::launch_bounds_t<1> dim)
{
    wp::float32 var_0 = shout_0(scale);
}

extern "C" {

WP_API void scale_cpu_forward(
    wp::launch_bounds_t<1> *dim)
{
    scale_cpu_kernel_forward<false>(*dim);
}

}

extern "C" __launch_bounds__(64) __global__ void scale_cuda_kernel_forward(
    wp::launch_bounds_t<1> dim)
{
}
"""


def test_what_a_program_defines_at_file_scope_gets_the_prefix_everywhere() -> None:
    code = with_prefix(CODE, 12)
    for name in (
        "Params_s0",
        "adj_Params_s0",
        "shout_0",
        "scale_cpu_kernel_forward",
        "scale_cpu_forward",
        "scale_cuda_kernel_forward",
    ):
        assert f"p000012_{name}" in code
        assert f" {name}" not in code
    assert code.count("p000012_Params_s0") == CODE.count("Params_s0") - CODE.count("adj_Params_s0")


def test_overloads_for_structs_strings_and_other_names_keep_theirs() -> None:
    code = with_prefix(CODE, 12)
    assert "p000012_Params_s0 add(const p000012_Params_s0& a" in code
    assert "static void quoted_0(int)" in code
    assert "shout_0(scale)" in code


def test_code_without_prefix_is_the_code() -> None:
    assert without_prefix(with_prefix(CODE, 999_999)) == CODE


def test_lengths_in_mangled_names_shrink_with_the_prefix() -> None:
    mangled = f"_ZL15{prefix(3)}shout_0N2wp5vec_tILj3EfEERK17{prefix(3)}Params_s0"
    assert without_prefix(mangled) == "_ZL7shout_0N2wp5vec_tILj3EfEERK9Params_s0"


def test_names_that_only_look_prefixed_stay() -> None:
    assert without_prefix("step000012_x map000012_y") == "step000012_x map000012_y"
