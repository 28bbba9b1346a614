"""Volume and texture arguments, and the forms of sampling them."""

from dataclasses import dataclass, replace

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import TEXTURES, call, construct, wp
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name

HANDLE = T.Handle("volume")
LINEAR, CLOSEST = Name("wp.Volume.LINEAR", T.I32), Name("wp.Volume.CLOSEST", T.I32)
_LETTER = {T.F32: "f", T.VEC3: "v", T.I32: "i"}
_DTYPE = {T.F32: "float32", T.VEC3: "vec3f", T.I32: "int32"}


@dataclass(slots=True)
class Volume:
    """A volume argument.

    Attributes:
        n: voxels along each axis that hold data.
        voxel: edge length of a voxel.
        half: half width of the volume in world space.
        generic: whether the program names the value type in its calls.
        field: the function that it samples.
    """

    id: Expr
    value: T.Type
    n: int
    voxel: float
    generic: bool
    field: str

    @property
    def half(self) -> float:
        return 0.5 * (self.n - 1) * self.voxel

    @property
    def count(self) -> int:
        """Voxels with an index: whole tiles."""
        return ((self.n + 7) // 8 * 8) ** 3

    def sample(self, uvw: Expr, mode: Name = LINEAR) -> Expr:
        """The interpolated value at index coordinates."""
        return self.at(self.id, uvw, mode)

    def at(self, id_: Expr, uvw: Expr, mode: Name = LINEAR) -> Expr:
        """`sample` of another handle of the same kind, such as a function's parameter."""
        if self.generic:
            mode = CLOSEST if self.value == T.I32 else mode
            return call("volume_sample", (id_, uvw, mode), {"dtype": self.value}, self.value)
        if self.value == T.I32:
            return wp.volume_sample_i(id_, uvw)
        return getattr(wp, f"volume_sample_{_LETTER[self.value]}")(id_, uvw, mode)

    def lookup(self, i: Expr, j: Expr, m: Expr) -> Expr:
        """The value of a voxel."""
        if self.generic:
            return call("volume_lookup", (self.id, i, j, m), {"dtype": self.value}, self.value)
        return getattr(wp, f"volume_lookup_{_LETTER[self.value]}")(self.id, i, j, m)

    def store(self, i: Expr, j: Expr, m: Expr, value: Expr) -> Expr:
        """The call that writes a voxel."""
        if self.generic:
            return call("volume_store", (self.id, i, j, m, value), {}, T.VOID)
        return getattr(wp, f"volume_store_{_LETTER[self.value]}")(self.id, i, j, m, value)

    def to_index(self, x: Expr) -> Expr:
        """Index coordinates of a world position."""
        return wp.volume_world_to_index(self.id, x)

    def with_gradient(self, b: Block, uvw: Expr, hint: str = "grad|g|slope") -> tuple[Expr, Name]:
        """Sampled value and the local that receives its index-space gradient."""
        if self.value == T.VEC3:
            jac = b.var("jac|J|grad_v", construct(T.MAT33))
            args = (self.id, uvw, LINEAR, jac)
            return call("volume_sample_grad", args, {"dtype": T.VEC3}, T.VEC3), jac
        grad = b.var(hint, construct(T.VEC3))
        args = (self.id, uvw, LINEAR, grad)
        if self.generic:
            return call("volume_sample_grad", args, {"dtype": T.F32}, T.F32), grad
        return wp.volume_sample_grad_f(*args), grad


def volume_argument(
    p: ProgramBuilder,
    k: KernelBuilder,
    value: T.Type = T.F32,
    *,
    hint: str = "",
    field: str = "",
    small: bool = False,
) -> Volume:
    """A volume handle; `field` names the function it samples (sphere, gyroid, blob)."""
    n = 8 if small else p.pick(8, 10, 12, 12)
    voxel = p.pick(0.1, 0.2, 0.25)
    field = field or p.pick("sphere", "gyroid", "blob")
    default = "volume|volume_id|grid|vdb|field_volume"
    id_ = k.arg(hint or default, HANDLE, R.volume(_DTYPE[value], n, voxel, 0.0, field), 0)
    return Volume(id_, value, n, voxel, p.chance(0.35), field)


def volume_like(k: KernelBuilder, other: Volume, hint: str, value: T.Type | None = None) -> Volume:
    """A further volume argument with the voxels of another one, of the same or another value type."""
    value = value or other.value
    recipe = R.volume(_DTYPE[value], other.n, other.voxel, 0.0, other.field)
    return replace(other, id=k.arg(hint, HANDLE, recipe, 0), value=value)


@dataclass(slots=True)
class Texture:
    """A texture argument."""

    name: Expr
    ndim: int
    value: T.Type  # what a sample gives

    def sample(self, p: ProgramBuilder, *coordinates: Expr) -> Expr:
        """A sample at normalised coordinates; scalars are packed into a vector where the program likes so."""
        if len(coordinates) > 1 and p.on("params_per_world"):
            coordinates = (construct(T.Vec(self.ndim), *coordinates),)
        return call("texture_sample", (self.name, *coordinates), {"dtype": self._dtype}, self.value)

    def at(self, uv: Expr) -> Expr:
        """A sample at a coordinate vector."""
        return call("texture_sample", (self.name, uv), {"dtype": self._dtype}, self.value)

    @property
    def _dtype(self) -> object:
        # Warp takes `float` here, and refuses its own name for it.
        return Name("float", T.Opaque("type")) if self.value == T.F32 else self.value


def texture_argument(
    p: ProgramBuilder, k: KernelBuilder, ndim: int, channels: int = 0, hint: str = ""
) -> Texture:
    """A float texture of 1, 2 or 3 dimensions with 1, 2 or 4 channels."""
    channels = channels or p.pick(1, 1, 2, 4)
    value = {1: T.F32, 2: T.VEC2, 4: T.VEC4}[channels]
    shape = {
        1: (p.pick(8, 16, 32),),
        2: (p.pick(8, 12, 16), p.pick(8, 16)),
        3: (p.pick(4, 6, 8),) * 3,
    }[ndim]
    default = {
        1: "lut|table|ramp_tex|tex",
        2: "tex|texture|image_tex|tex2d",
        3: "tex|volume_tex|tex3d|field_tex",
    }[ndim]
    p.features.add("texture")
    return Texture(
        k.arg(hint or default, TEXTURES[ndim], R.texture(ndim, shape, channels), 0), ndim, value
    )
