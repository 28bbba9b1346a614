import warp as wp

STEP_COST = wp.constant(-0.05)
GOAL_REWARD = wp.constant(2.0)
BUMP_PENALTY = 0.053


@wp.kernel
def forage_step(
    grid: wp.array2d[wp.uint8],
    action: wp.array[int],
    targets: wp.array[wp.vec2i],
    width: int,
    max_episode_length: int,
    positions: wp.array[wp.vec2i],
    visit_counts: wp.array2d[int],
    rewards: wp.array[float],
    step_count: wp.array[int],
    terminated: wp.array[int],
    time_outs: wp.array[int],
    cumulative: wp.array[float],
):
    """One move of every agent."""
    tid = wp.tid()
    a = action[tid]
    here = positions[tid]
    row = here[0]
    x = here[1]
    if a == 0:
        row -= 1
    elif a == 1:
        row += 1
    elif a == 2:
        x -= 1
    elif a == 3:
        x += 1
    hit = int(0)
    if row < 0 or row >= width or x < 0 or x >= width:
        hit = 1
    elif grid[row, x] == wp.uint8(1):
        hit = 1
    if hit == 1:
        row = here[0]
        x = here[1]
    positions[tid] = wp.vec2i(row, x)
    target_rc = targets[tid]
    success = row == target_rc[0] and x == target_rc[1]
    r = float(STEP_COST)
    if success:
        r += GOAL_REWARD
    elif hit == 1:
        r -= BUMP_PENALTY
    wp.atomic_add(visit_counts, row, x, 1)
    if not wp.isfinite(r):
        label = "non-finite rewards"
        print(label)
        print(r)
    rewards[tid] = r
    count_now = step_count[tid] + 1
    truncated_now = count_now >= max_episode_length
    if success:
        terminated[tid] = 1
    else:
        terminated[tid] = 0
    if truncated_now:
        time_outs[tid] = 1
    else:
        time_outs[tid] = 0
    step_count[tid] = count_now
    if success or truncated_now:
        cumulative[tid] = 0.0
    else:
        cumulative[tid] = cumulative[tid] + r
