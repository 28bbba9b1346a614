import warp as wp


@wp.kernel
def fused_emboss(
    src: wp.array2d[wp.vec3],
    roi: wp.array2d[int],
    chw: wp.array3d[float],
    pixels_in: wp.array2d[wp.uint8],
    raw: wp.array2d[float],
    scale: float,
    threshold: float,
    seed: int,
    photons: float,
    sigma_read: float,
    filtered: wp.array2d[wp.vec3],
    pixels_out: wp.array2d[wp.vec3],
    output_image: wp.array2d[wp.uint8],
    num_peaks: wp.array[int],
    peaks: wp.array2d[wp.uint8],
    dst: wp.array2d[float],
):
    """Copy with a change of layout.

    One thread per pixel.
    """
    row, ix = wp.tid()
    if roi[row, ix] == 0:
        return
    acc = (
        src[wp.clamp(row - 1, 0, roi.shape[0] - 1), ix] * 2.0
        + src[wp.clamp(row + 1, 0, roi.shape[0] - 1), wp.clamp(ix + 1, 0, roi.shape[1] - 1)]
        + src[row, ix] * 4.0
        + src[row, wp.clamp(ix - 1, 0, roi.shape[1] - 1)] * 2.0
        + src[wp.clamp(row - 1, 0, roi.shape[0] - 1), wp.clamp(ix + 1, 0, roi.shape[1] - 1)]
        + src[wp.clamp(row + 1, 0, roi.shape[0] - 1), wp.clamp(ix - 1, 0, roi.shape[1] - 1)]
        + src[wp.clamp(row - 1, 0, roi.shape[0] - 1), wp.clamp(ix - 1, 0, roi.shape[1] - 1)]
        + src[wp.clamp(row + 1, 0, roi.shape[0] - 1), ix] * 2.0
        + src[row, wp.clamp(ix + 1, 0, roi.shape[1] - 1)] * 2.0
    )
    filtered[row, ix] = acc / 16.0

    # copy with a change of layout
    pixels_out[row, ix] = wp.vec3(chw[0, row, ix], chw[1, row, ix], chw[2, row, ix]) * scale

    # one thread per pixel
    c = float(pixels_in[row, ix])
    lo = float(c)
    hi = float(c)
    for dy in range(-1, 2):
        r_n = (row + dy + roi.shape[0]) % roi.shape[0]
        for dx in range(-1, 2):
            q = float(pixels_in[r_n, (ix + dx + roi.shape[1]) % roi.shape[1]])
            lo = wp.min(lo, q)
            hi = wp.max(hi, q)
    output_image[row, ix] = pixels_in[row, ix]
    if c >= hi and c > threshold:
        wp.atomic_add(num_peaks, 0, 1)
        peaks[row, ix] = wp.uint8(1)

    # one thread per pixel
    signal = raw[row, ix]
    state = wp.rand_init(seed, row * roi.shape[1] + ix)
    signal = float(wp.poisson(state, wp.max(signal, 0.0) * photons)) / photons
    signal += wp.randn(state) * sigma_read
    dst[row, ix] = signal
