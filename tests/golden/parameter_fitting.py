import warp as wp


@wp.kernel(enable_backward=False)
def decode_sequences(
    symbols: wp.array2d(dtype=int),
    trans_prob: wp.array2d(dtype=wp.float64),
    B: wp.array2d(dtype=wp.float64),
    prior: wp.array(dtype=wp.float64),
    scores: wp.array3d(dtype=wp.float64),
    back: wp.array3d(dtype=int),
    decoded: wp.array2d(dtype=int),
):
    s = wp.tid()
    for q in range(5):
        scores[s, 0, q] = wp.log(prior[q]) + wp.log(B[q, symbols[s, 0]])
    for n in range(1, symbols.shape[1]):
        for st in range(5):
            best = wp.float64(-1000000.0)
            arg = int(0)
            for r in range(5):
                path = scores[s, n - 1, r] + wp.log(trans_prob[r, st])
                if path > best:
                    best = path
                    arg = r
            scores[s, n, st] = best + wp.log(B[st, symbols[s, n]])
            back[s, n, st] = arg
    tip = int(0)
    for st in range(1, 5):
        if scores[s, 7, st] > scores[s, 7, tip]:
            tip = st
    decoded[s, 7] = tip
    for t in range(7, 0, -1):
        tip = back[s, t, tip]
        decoded[s, t - 1] = tip
