import warp as wp


@wp.struct
class Settings:
    gain: wp.float64
    weight: wp.float64


@wp.kernel
def elementwise_update(
    lhs: wp.array[wp.vec4d],
    b: wp.array[wp.vec4d],
    c: wp.array[wp.vec4d],
    model: Settings,
    acc: wp.array[wp.vec4d],
):
    """out = f(a, b)"""
    n = wp.tid()
    acc[n] = acc[n] + wp.lerp(lhs[n] + b[n] * model.gain, c[n], model.weight)
