import warp as wp


@wp.func
def angular_frequency(i: wp.int32) -> wp.float32:
    if i < 8:
        return 1.0 * wp.float32(i)
    return 1.0 * wp.float32(i - 16)


@wp.func
def mode_amplitude(c: wp.vec2, freq: wp.float32) -> wp.vec2:
    return c * wp.pow(wp.abs(freq) + 1.0, -1.0)


@wp.func
def height_of(u: wp.vec2) -> wp.float32:
    return u.x


def make_coloured_noise_rows(n: int):
    @wp.kernel(enable_backward=False)
    def coloured_noise_rows(amplitudes: wp.array2d[wp.vec2], field_out: wp.array2d[wp.float32]):
        signal = wp.tid()
        z = wp.tile_load(amplitudes, shape=(1, n), offset=(signal, 0))
        wave = wp.tile_map(angular_frequency, wp.tile_arange(0, n, 1, dtype=wp.int32))
        shaped = wp.tile_map(mode_amplitude, z, wp.tile_broadcast(wave, shape=(1, n)))
        wp.tile_ifft(shaped)
        wp.tile_store(field_out, wp.tile_map(height_of, shaped), offset=(signal, 0))

    return coloured_noise_rows


coloured_noise_rows = make_coloured_noise_rows(16)
