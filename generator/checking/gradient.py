"""Compares the compiled adjoint with central differences of the compiled kernel."""

from dataclasses import dataclass

import numpy as np
import warp as wp

from generator.checking.guards import GuardedAllocator
from generator.checking.reverse_limits import extremum_arrays, known_limit
from generator.checking.subject import Arrays, Subject, array_arguments, role, written_names
from generator.lowering.warp_backend import cpu_allocator
from generator.records import Verdict
from warp_ir_dataset.recipes import Arguments, generator

_DIRECTIONS = 3
_ELEMENTS = 4  # perturbed in each array, of those whose gradient isn't zero, and as many others
_EXPONENTS = range(3, -4, -1)  # of the steps, relative to the cube root of the unit roundoff
_ROUNDINGS = 2.0**5  # that a thousand operations add up to
_RESOLUTION = 1 / 16  # a bound above this share of the derivative tells nothing
_BYTE = 0x7F  # of the guards: a finite float, so that reading one does not look like a domain error


def check_gradient(subject: Subject) -> Verdict:
    """Warp's tape against central differences of the same launch, along random directions.

    The loss is a random weighting c of all floating outputs Y; a direction v perturbs a few
    elements of every floating input. With g the tape's gradient of the loss, g.v must equal the
    derivative of c.Y along v. Differences are taken at steps h that halve, around the cube root of
    the unit roundoff u, where errors of truncation and of rounding meet. The step is chosen whose
    difference agrees best with its neighbours, and what they disagree by counts as its error.

    Bound: twice that error, and the roundings of about a thousand operations, which add up like a
    random walk to 32 u: relative to sum |g_i v_i| for the tape, and to sum |c_j Y_j| / h over the
    outputs that change for the difference. A bound above 1/16 of the derivative tells nothing
    ("below_noise", or "not_smooth" where the differences don't settle). Where the one-sided
    derivatives differ, anything between them is right ("not_smooth"). "failed" is what remains:
    the derivative is known, and the tape has another.

    Reverse code reads arrays as it finds them. A kernel that overwrites what it reads is therefore
    differentiated with the contents before the launch as well; if the gradient depends on which
    they are and none agrees, Warp promises nothing ("overwrites_inputs"). Nor does it where the
    source has a construct that Warp is known not to differentiate: then the reason is its name.
    """
    if not subject.has_adjoint:
        return Verdict("not_applicable", "no_adjoint")
    allocator = GuardedAllocator(_BYTE)
    with cpu_allocator(allocator):
        function = _Function(subject)
        if not function.outputs:
            return Verdict("not_applicable", "no_differentiable_output")
        if not function.inputs:
            return Verdict("not_applicable", "no_differentiable_input")
        verdict = _check(function, generator(subject.launch["seed"], "gradient"))
        if allocator.damage({}):
            return Verdict("inconclusive", "leaves_domain")
    return verdict


def _check(function: "_Function", rng: np.random.Generator) -> Verdict:
    """The first verdict of a direction that says something, else the last."""
    verdict = Verdict("inconclusive", "zero_gradient")
    base = function.point()
    values = function.values(base)
    for _ in range(_DIRECTIONS):
        weights = {name: _weights(y, rng) for name, y in values.items()}
        gradients = function.gradients(weights, "none")
        direction = {name: _direction(gradients[name], x, rng) for name, x in base.items()}
        line = _line(function, base, values, direction, weights)
        verdict = _compare(line, gradients)
        if verdict.outcome == "failed":
            return _explained(function, weights, gradients, line) or verdict
        if verdict.outcome == "passed":
            return verdict
    return verdict


def _explained(
    function: "_Function", weights: Arrays, gradients: Arrays, line: list["_Difference"]
) -> Verdict | None:
    """Another verdict where reverse code that differs doesn't show a defect."""
    unlike = False
    for restored in ("inout", "all"):
        others = function.gradients(weights, restored)
        if any(not np.array_equal(others[n], g, equal_nan=True) for n, g in gradients.items()):
            unlike = True
            if (verdict := _compare(line, others)).outcome != "failed":
                return verdict
    detail = _compare(line, gradients).detail
    if limit := known_limit(function.python, function.kernel):
        return Verdict("inconclusive", limit, detail)
    return Verdict("inconclusive", "overwrites_inputs", detail) if unlike else None


def _weights(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Weights that give each array about the same part in the loss."""
    return rng.uniform(0.5, 1.0, y.shape) * rng.choice([-1.0, 1.0], y.shape) / _size(y)


def _direction(g: np.ndarray, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A direction in a few elements: of a gradient that isn't finite, those that aren't first."""
    v = np.zeros(x.size)
    strange = np.flatnonzero(~np.isfinite(g))
    for candidates in (strange if strange.size else np.flatnonzero(g), np.arange(x.size)):
        chosen = rng.permutation(candidates)[:_ELEMENTS]
        signs = rng.choice([-1.0, 1.0], len(chosen))
        v[chosen] = signs * rng.uniform(0.5, 1.0, len(chosen)) * _size(x)
    return v.reshape(x.shape)


def _size(values: np.ndarray) -> float:
    """Root mean square; 1 if all are zero."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) or 1.0


@dataclass(frozen=True, slots=True)
class _Difference:
    """Differences of the loss for one step.

    Attributes:
        central: (f(x + hv) - f(x - hv)) / 2h.
        jump: the forward minus the backward difference.
        precision: relative error of a sum of about a thousand operations.
        rounding: what roundings may add to `central`.
        step: ((x + hv) - (x - hv)) / 2h as rounded, of each input.
    """

    central: float
    jump: float
    precision: float
    rounding: float
    step: Arrays


def _line(
    function: "_Function", base: Arrays, values: Arrays, direction: Arrays, weights: Arrays
) -> list[_Difference]:
    """Differences for steps that halve; those that leave the function's domain are left out."""
    line = []
    for exponent in _EXPONENTS:
        h = function.unit ** (1 / 3) * 2.0**exponent
        ahead = {n: (x + h * direction[n]).astype(x.dtype) for n, x in base.items()}
        behind = {n: (x - h * direction[n]).astype(x.dtype) for n, x in base.items()}
        plus, minus = function.values(ahead), function.values(behind)
        central = jump = size = 0.0
        with np.errstate(all="ignore"):  # what isn't finite is left out
            for name, c in weights.items():
                difference = plus[name] - minus[name]
                central += float(np.sum(c * difference)) / (2 * h)
                jump += float(np.sum(c * (plus[name] + minus[name] - 2 * values[name]))) / h
                size += float(np.sum(np.abs(c * values[name])[difference != 0]))
        step = {n: (ahead[n].astype(np.float64) - behind[n]) / (2 * h) for n in base}
        if np.isfinite([central, jump, size]).all():
            precision = _ROUNDINGS * function.unit
            line.append(_Difference(central, jump, precision, precision * size / h, step))
    return line


def _compare(line: list[_Difference], gradients: Arrays) -> Verdict:
    if len(line) < len(_EXPONENTS):
        return Verdict("inconclusive", "leaves_domain")
    bound, k = min((_bound(line, k), k) for k in range(1, len(line) - 1))
    known = line[k]
    with np.errstate(invalid="ignore"):  # no number of elements that aren't varied is none
        parts = [np.where(v, gradients[name] * v, 0.0) for name, v in known.step.items()]
        predicted = float(sum(part.sum() for part in parts))
    if not np.isfinite(predicted):
        settled = bound <= _RESOLUTION * abs(known.central)
        return Verdict(*(("failed", "not_finite") if settled else ("inconclusive", "not_smooth")))
    bound += known.precision * float(sum(np.abs(part).sum() for part in parts))
    scale = max(abs(predicted), abs(known.central))
    if scale == 0:
        return Verdict("inconclusive", "zero_gradient")
    seen = f"tape {predicted:.6g}, difference {known.central:.6g}, bound {bound:.2g}"
    if bound > _RESOLUTION * scale:
        reason = "below_noise" if known.rounding > bound / 2 else "not_smooth"
        return Verdict("inconclusive", reason, seen)
    error = abs(predicted - known.central)
    if error <= bound:
        return Verdict("passed", detail=seen)
    kink = abs(2 * line[k + 1].jump - known.jump)  # what is left of the jump as h goes to zero
    if error <= bound + kink / 2:
        return Verdict("inconclusive", "not_smooth", seen)
    return Verdict("failed", "gradient_differs", seen)


def _bound(line: list[_Difference], k: int) -> float:
    """What is not known of the difference at an inner step."""
    here = line[k].central
    unsettled = max(abs(here - line[k - 1].central), abs(here - line[k + 1].central))
    return 2 * unsettled + line[k].rounding


class _Function:
    """The launch as a function of its floating inputs; its arrays stay where they are.

    Attributes:
        python: source text of the program.
        kernel: name of the kernel.
        inputs: names of the floating arrays that the kernel may read.
        outputs: names of the floating arrays that it may write.
        unit: unit roundoff of the least precise of them.
    """

    def __init__(self, subject: Subject) -> None:
        launch = subject.launch
        self.python, self.kernel = subject.python, launch["kernel"]
        self._subject = subject
        self._maker: Arguments = subject.make(launch)
        self._arrays = dict(array_arguments(launch["args"], self._maker.made))
        self._views = {name: array.numpy() for name, array in self._arrays.items()}
        written = written_names(launch, self._arrays)
        self._written = written
        floats = [name for name, array in self._arrays.items() if array.requires_grad]
        replaced = extremum_arrays(subject.python)
        self.inputs = [n for n in floats if role(launch, n) != "out" and n not in replaced]
        self.outputs = [name for name in floats if name in written]
        changing = written.union(self.inputs)
        self._initial = {name: self._views[name].copy() for name in changing}
        epsilons = [np.finfo(self._views[name].dtype).eps for name in floats]
        self.unit = float(max(epsilons, default=0.0)) / 2

    def point(self) -> Arrays:
        """The inputs as the recipe has them."""
        return {name: self._initial[name] for name in self.inputs}

    def values(self, point: Arrays) -> Arrays:
        """The outputs, in double precision, where the inputs are at a point."""
        self._restore(self._initial | point)
        self._subject.run(self._maker)
        return {name: self._views[name].astype(np.float64) for name in self.outputs}

    def gradients(self, weights: Arrays, restored: str) -> Arrays:
        """Warp's gradient of the weighted outputs at the unperturbed inputs.

        Args:
            restored: which of the arrays that were written hold again what they held before the
                launch when reverse code runs: "none", "inout" or "all".
        """
        self._restore(self._initial)
        for array in self._arrays.values():
            if array.requires_grad:
                array.grad.zero_()
        with wp.Tape() as tape:
            self._subject.run(self._maker)
        for name, weight in weights.items():
            self._arrays[name].grad.numpy()[...] = weight
        names = {"none": (), "inout": self.inputs, "all": self._written}[restored]
        self._restore({name: self._initial[name] for name in names})
        tape.backward()
        return {n: self._arrays[n].grad.numpy().astype(np.float64) for n in self.inputs}

    def _restore(self, values: Arrays) -> None:
        for name, array in values.items():
            self._views[name][...] = array
