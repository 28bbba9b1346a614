"""Returns, losses and statistics, for the reinforcement-learning category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._rl_actions import tid2
from generator.synthesis.categories._rl_classic import environments
from generator.synthesis.categories._tables import Table, entity_rng
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal


def learning(p: ProgramBuilder) -> None:
    """Returns, advantages, losses and statistics of policy optimisation."""
    p.pick(_advantages, _advantages, _ppo_loss, _normalise, _td_targets, _choose_actions)(p)


def _advantages(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "compute_gae|generalized_advantage|compute_returns|discounted_returns|n_step_returns|vtrace_targets",
        p.pick(
            "Advantages by a backward recursion over time.",
            "Discounted returns of a rollout.",
            "Generalised advantage estimation.",
        ),
    )
    n, horizon = p.pick(32, 48, 64), p.pick(16, 24, 32)
    k.launch_dim = (n,)
    env = k.let("env|i|tid", wp.tid())
    steps_first = p.chance(0.6)
    shape = (horizon, n) if steps_first else (n, horizon)

    def at(t: Expr) -> tuple[Expr, Expr]:
        return (t, env) if steps_first else (env, t)

    rewards, dones = (
        k.array("rewards|rew_buf|r_t", T.F32, shape, R.uniform(-1.0, 1.0)),
        k.array(
            "dones|terminated|done_buf", p.pick(T.I32, T.F32, T.I32, T.U8), shape, R.mask(0.08)
        ),
    )
    gamma = k.param("gamma|discount", 0.9, 0.999)
    form = p.pick("gae", "gae", "returns", "vtrace")
    size = (
        rewards.dim(0 if steps_first else 1)
        if p.chance(0.5)
        else k.count("horizon|num_steps|rollout_length", horizon)
    )
    returns = k.out("returns|targets|value_targets", T.F32, shape)

    def alive(t: Expr) -> Expr:
        flag = dones[at(t)]
        if dones.type.dtype == T.F32:  # type: ignore[union-attr]
            return 1.0 - flag
        return (
            choose(flag == literal(0, dones.type.dtype), 1.0, 0.0)
            if p.chance(0.5)
            else 1.0 - cast(T.F32, flag)
        )  # type: ignore[union-attr]

    if form == "returns":
        last = k.array("last_values|bootstrap|v_last", T.F32, (n,), R.uniform(-1.0, 1.0))
        acc = k.var("ret|g|running", last[env])
        with k.loop("s|r|back", size) as s:
            t = k.let("t|step|idx_t", size - 1 - s)
            k.set(acc, rewards[at(t)] + gamma * alive(t) * acc)
            k.set(returns[at(t)], acc)
        return
    values = k.array("values|value_buf|v_t", T.F32, shape, R.uniform(-1.0, 1.0))
    last = k.array("last_values|bootstrap|v_last", T.F32, (n,), R.uniform(-1.0, 1.0))
    lam = k.param("lam|gae_lambda|tau_gae", 0.9, 0.99)
    advantages = k.out("advantages|adv_buf|adv", T.F32, shape)
    ratios = (
        k.array("importance|rho|is_ratio", T.F32, shape, R.uniform(0.3, 1.8))
        if form == "vtrace"
        else None
    )
    running, following = (
        k.var("running|last_gae|acc", 0.0),
        k.var("next_value|v_next|following", last[env]),
    )
    with k.loop("s|r|back", size) as s:
        t = k.let("t|step|idx_t", size - 1 - s)
        mask = k.let("mask|not_done|nonterminal", alive(t))
        delta = k.let(
            "delta|td|td_error",
            _td_error(p, k, rewards[at(t)], gamma, following, mask, values[at(t)]),
        )
        if ratios is None:
            k.set(running, delta + gamma * lam * mask * running)
        else:
            clipped = k.let("rho_c|c_t|clipped", wp.min(ratios[at(t)], 1.0))
            k.set(running, clipped * delta + gamma * clipped * mask * running)
        k.set(advantages[at(t)], running)
        k.set(returns[at(t)], running + values[at(t)])
        k.set(following, values[at(t)])
    if p.chance(0.4):
        k.do(wp.atomic_add(k.out("adv_sum|adv_total", T.F32, (1,)), 0, running))


def _td_error(
    p: ProgramBuilder,
    k: KernelBuilder,
    reward: Expr,
    gamma: Expr,
    following: Expr,
    mask: Expr,
    value: Expr,
) -> Expr:
    def body(b: Block, r: Expr, g: Expr, after: Expr, alive: Expr, v: Expr) -> Expr:
        return r + g * after * alive - v

    args = {
        "r|reward": reward,
        "gamma|g": gamma,
        "v_next|after": following,
        "mask|alive": mask,
        "v|value": value,
    }
    return piece(p, k, "td_error|bellman_residual|one_step_delta", args, body, probability=0.75)


def _ppo_loss(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "ppo_loss|surrogate_loss|policy_gradient_loss|clipped_objective|actor_critic_loss",
        p.pick("Clipped surrogate objective per sample.", "Policy, value and entropy losses.", ""),
    )
    e = Entities(k, "sample", index="i|tid|s")
    m = p.pick(4, 6, 8)
    mean, action = (
        Table(e, h, T.F32, (e.n, m), R.uniform(-1.0, 1.0))
        for h in ("mu|action_mean|means", "actions|taken_actions")
    )
    std = Table(e, "log_std|log_sigma", T.F32, (m,), R.uniform(-1.0, 0.0), shared=True)
    log_prob, entropy = (
        k.var("log_prob|logp|lp", 0.0),
        k.var("entropy|ent|h", 0.0) if p.chance(0.6) else None,
    )
    with k.loop(
        "j|a|d", mean.extent(1) if p.chance(0.5) else k.count("num_actions|act_dim", m)
    ) as j:
        z = k.let("z|normalized|u", (action[e.index, j] - mean[e.index, j]) * wp.exp(-std[j]))
        k.aug(log_prob, "-", 0.5 * z * z + std[j] + 0.9189385)
        if entropy is not None:
            k.aug(entropy, "+", std[j] + 1.4189385)
    old, advantage = (
        e.field("old_log_prob|logp_old|old_logp", T.F32, R.uniform(-8.0, -4.0)).own,
        e.field("advantages|adv", T.F32, R.normal(0.0, 1.0)).own,
    )
    ratio = k.let("ratio|rho|r_t", wp.exp(wp.clamp(log_prob - old, -5.0, 5.0)))
    clip = k.param("clip_eps|clip_range|epsilon", 0.1, 0.3)
    surrogate = wp.min(ratio * advantage, wp.clamp(ratio, 1.0 - clip, 1.0 + clip) * advantage)
    loss = k.var("loss|l|objective", -surrogate)
    if p.chance(0.6):
        value, target = (
            e.field("values|v_pred", T.F32, R.uniform(-1.0, 1.0)).own,
            e.field("returns|value_targets", T.F32, R.uniform(-1.0, 1.0)).own,
        )
        error = k.let("v_err|td|dv", value - target)
        k.aug(loss, "+", k.param("value_coef|vf_coef|c1", 0.25, 1.0) * error * error)
    if entropy is not None:
        k.aug(loss, "-", k.param("entropy_coef|ent_coef|c2", 0.001, 0.02) * entropy)
    if p.chance(0.5):
        e.out("sample_loss|losses|loss_out", T.F32).store(loss)
    Table(e, "total_loss|loss_sum|mean_loss", T.F32, (1,), role="out").add(
        loss / cast(T.F32, e.count()), 0
    )
    if p.chance(0.5):
        with k.when(wp.abs(ratio - 1.0) > clip):
            Table(e, "num_clipped|clip_count", T.I32, (1,), role="out").add(1, 0)
    if p.chance(0.4):
        e.out("approx_kl|kl_out", T.F32).store(
            old - log_prob if p.chance(0.5) else ratio - 1.0 - (log_prob - old)
        )


def _normalise(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "normalize_obs|running_statistics|update_obs_stats|standardize|whiten_observations",
        p.pick(
            "Normalise by running mean and variance.",
            "Running statistics of every observation.",
            "",
        ),
    )
    n, m = p.pick(32, 48, 64), p.pick(6, 8, 12, 16)
    if p.chance(0.5):
        env, j = tid2(k, n, m, "j|c|feature")
        obs, mean, var = (
            k.array("obs|observations", T.F32, (n, m), R.normal(0.5, 2.0)),
            k.array("running_mean|obs_mean|mean", T.F32, (m,), R.uniform(-1.0, 1.0)),
            k.array("running_var|obs_var|var", T.F32, (m,), R.uniform(0.5, 4.0)),
        )
        eps, clip = k.param("eps|epsilon", 1.0e-6, 1.0e-4), k.param("clip|obs_clip", 2.0, 10.0)
        z = k.let("z|scaled|norm_o", (obs[env, j] - mean[j]) / wp.sqrt(var[j] + eps))
        k.set(
            k.out("obs_out|normalized|obs_norm", T.F32, (n, m))[env, j],
            wp.clamp(z, -clip, clip) if p.chance(0.7) else z,
        )
        if p.chance(0.4):
            outside = k.out("num_clipped|saturated|clip_count", T.I32, (m,))
            with k.when(wp.abs(z) > clip):
                k.do(wp.atomic_add(outside, j, 1))
        return
    k.launch_dim = (m,)
    j = k.let("j|c|feature", wp.tid())
    obs = k.array("obs|observations|batch", T.F32, (n, m), R.normal(0.5, 2.0))
    mean, var = (
        k.array("running_mean|obs_mean|mean", T.F32, (m,), R.uniform(-1.0, 1.0), "inout"),
        k.array("running_var|obs_var|var", T.F32, (m,), R.uniform(0.5, 4.0), "inout"),
    )
    count = k.param("count|total_count|n_seen", 50.0, 5000.0)
    total, square = k.var("s1|total|acc", 0.0), k.var("s2|total_sq|acc_sq", 0.0)
    with k.loop(
        "i|env|row", obs.dim(0) if p.chance(0.5) else k.count("num_envs|batch_size", n)
    ) as i:
        x = k.let("x|o|value", obs[i, j])
        k.aug(total, "+", x)
        k.aug(square, "+", x * x)
    size = k.let("b|batch_n|n", cast(T.F32, obs.dim(0)))
    fresh = k.let("batch_mean|mu_b|m_b", total / size)
    spread = k.let("batch_var|var_b|v_b", wp.max(square / size - fresh * fresh, 0.0))
    if p.chance(0.4):
        rate = k.param("momentum|rate|ema", 0.01, 0.2)
        k.set(mean[j], mean[j] + rate * (fresh - mean[j]))
        k.set(var[j], var[j] + rate * (spread - var[j]))
        return
    delta, full = k.let("delta|shift|dm", fresh - mean[j]), k.let("n_total|full|tot", count + size)
    merged = var[j] * count + spread * size + delta * delta * count * size / full
    k.set(mean[j], mean[j] + delta * size / full)
    k.set(var[j], merged / full)


def _td_targets(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "q_learning_targets|td_targets|double_dqn_targets|sac_targets|distributional_td",
        p.pick(
            "Bootstrapped targets from the target network.",
            "Temporal-difference targets and priorities.",
            "",
        ),
    )
    e = Entities(k, "sample", index="i|tid|b")
    m = p.pick(3, 4, 6)
    reward, done = (
        e.field("rewards|r", T.F32, R.uniform(-1.0, 1.0)).own,
        e.field("dones|terminal", T.I32, R.mask(0.1)).own,
    )
    q_next = Table(e, "q_target_next|next_q|target_q", T.F32, (e.n, m), R.uniform(-2.0, 2.0))
    double, soft = p.chance(0.4), p.chance(0.3)
    online = (
        Table(e, "q_online_next|next_q_online", T.F32, (e.n, m), R.uniform(-2.0, 2.0))
        if double
        else q_next
    )
    best, at = k.var("best|q_max|top", online[e.index, 0]), k.var("a_star|best_a|arg", 0)
    total = k.var("sum_exp|mass|z", 0.0) if soft else None
    temperature = k.param("temperature|alpha|tau_soft", 0.1, 1.0) if soft else None
    with k.loop("a|act|j", m) if soft else k.loop("a|act|j", 1, m) as a:
        if total is not None:
            k.aug(total, "+", wp.exp(q_next[e.index, a] / temperature))
        with k.when(online[e.index, a] > best):
            k.set(best, online[e.index, a])
            k.set(at, a)
    value = temperature * wp.log(total) if total is not None else q_next[e.index, at]
    gamma = k.param("gamma|discount", 0.9, 0.999)
    target = k.var("target|y|td_target", reward)
    with k.when(done == 0):
        k.aug(target, "+", gamma * value)
    e.out("targets|y_out|td_targets_out", T.F32).store(target)
    if p.chance(0.6):
        taken = e.field("actions|taken", T.I32, R.integers(0, m)).own
        current = Table(e, "q_values|q_online", T.F32, (e.n, m), R.uniform(-2.0, 2.0))
        error = k.let("err|delta|td", target - current[e.index, taken])
        e.out("priorities|td_errors|new_priority", T.F32).store(
            wp.pow(wp.abs(error) + 0.001, k.param("priority_exp|alpha_per", 0.4, 0.8))
            if p.chance(0.5)
            else wp.abs(error)
        )
        if p.chance(0.5):
            huber = choose(wp.abs(error) < 1.0, 0.5 * error * error, wp.abs(error) - 0.5)
            Table(e, "loss|loss_sum", T.F32, (1,), role="out").add(huber, 0)
    if p.chance(0.5):
        e.out("greedy_actions|a_star_out", T.I32).store(at)


def _choose_actions(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "sample_actions|epsilon_greedy|categorical_sample|select_actions|gumbel_actions",
        p.pick("Sample discrete actions from logits.", "Epsilon-greedy action selection.", ""),
    )
    e = environments(k)
    rng = entity_rng(e)
    m = p.pick(3, 4, 6, 8)
    logits = Table(e, "logits|q_values|scores", T.F32, (e.n, m), R.uniform(-2.0, 2.0))
    legal = (
        Table(e, "action_mask|legal|valid_actions", T.I32, (e.n, m), R.mask(0.85))
        if p.chance(0.4)
        else None
    )
    size = logits.extent(1) if p.chance(0.5) else k.count("num_actions|n_actions", m)
    form = p.pick("greedy", "softmax", "gumbel")
    best, at = k.var("best|top|peak", -1.0e9), k.var("action|choice|a_sel", 0)
    with k.loop("a|act|j", size) as a:
        if legal is not None:
            with k.when(legal[e.index, a] == 0):
                k.cont()
        score = logits[e.index, a]
        if form == "gumbel":
            score = k.let(
                "score|perturbed|g", score - wp.log(-wp.log(rng.uniform(1.0e-6, 0.999999)))
            )
        with k.when(score > best):
            k.set(best, score)
            k.set(at, a)
    if form == "greedy":
        with k.when(rng.uniform() < k.param("epsilon|explore_p|eps", 0.02, 0.4)):
            k.set(at, rng.integer(0, size))
    elif form == "softmax":
        total = k.var("total|z|norm", 0.0)
        with k.loop("a|act|j", size) as a:
            k.aug(total, "+", wp.exp(logits[e.index, a] - best))
        threshold, acc = (
            k.let("u|draw|cut", rng.uniform() * total),
            k.var("acc|cumulative|run", 0.0),
        )
        with k.loop("a|act|j", size) as a:
            k.aug(acc, "+", wp.exp(logits[e.index, a] - best))
            with k.when(acc >= threshold):
                k.set(at, a)
                k.brk()
        e.out("log_probs|logp_out", T.F32).store(logits[e.index, at] - best - wp.log(total))
    e.out("actions|actions_out|chosen", T.I32).store(at)
    rng.close()
