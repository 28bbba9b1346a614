import warp as wp


@wp.struct
class Sequence:
    enabled: int
    is_static: int


@wp.kernel(enable_backward=False)
def viterbi_decode(
    observations: wp.array2d(dtype=int),
    transition: wp.array2d(dtype=float),
    emit_prob: wp.array2d(dtype=float),
    prior: wp.array(dtype=float),
    sequences: wp.array(dtype=Sequence),
    forward: wp.array3d(dtype=float),
    argmax: wp.array3d(dtype=int),
    best_states: wp.array2d(dtype=int),
):
    tid = wp.tid()
    if sequences[tid].enabled == 0 or sequences[tid].is_static == 1:
        return
    for st in range(5):
        forward[tid, 0, st] = wp.log(prior[st]) + wp.log(emit_prob[st, observations[tid, 0]])
    for step in range(1, observations.shape[1]):
        for j in range(5):
            score = float(-1000000.0)
            prev = int(0)
            for m in range(5):
                path = forward[tid, step - 1, m] + wp.log(transition[m, j])
                if path > score:
                    score = path
                    prev = m
            forward[tid, step, j] = score + wp.log(emit_prob[j, observations[tid, step]])
            argmax[tid, step, j] = prev
    state = int(0)
    for st in range(1, 5):
        if forward[tid, 11, st] > forward[tid, 11, state]:
            state = st
    best_states[tid, 11] = state
    for n in range(11, 0, -1):
        state = argmax[tid, n, state]
        best_states[tid, n - 1] = state
