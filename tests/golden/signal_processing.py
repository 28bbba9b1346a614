from typing import Any

import warp as wp


@wp.kernel
def delay_and_sum(
    points: wp.array[Any],
    x: wp.array2d[Any],
    sensor_pos: wp.array[Any],
    fs: Any,
    wave_speed: Any,
    focused: wp.array[Any],
):
    pix = wp.tid()
    scale = fs / wave_speed
    p_look = points[pix]
    beam = x.dtype(0.0)
    for mic in range(len(x)):
        pos = wp.length(p_look - sensor_pos[mic]) * scale
        i0 = wp.int32(wp.floor(pos))
        a = pos - x.dtype(i0)
        if i0 < 0 or i0 >= x.shape[1] - 1:
            continue
        beam += x[mic, i0] + (x[mic, i0 + 1] - x[mic, i0]) * a
    focused[pix] = beam


wp.overload(
    delay_and_sum,
    {
        "points": wp.array[wp.vec3],
        "x": wp.array2d[wp.float32],
        "sensor_pos": wp.array[wp.vec3],
        "fs": wp.float32,
        "wave_speed": wp.float32,
        "focused": wp.array[wp.float32],
    },
)
