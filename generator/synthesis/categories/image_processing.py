"""Image processing: filters, edges, morphology, histograms, warps, colour, sensors, motion, masks."""

from generator.synthesis.categories import _image_color as color
from generator.synthesis.categories import _image_filters as filters
from generator.synthesis.categories import _image_masks as masks
from generator.synthesis.categories import _image_motion as motion
from generator.synthesis.categories import _image_warps as warps
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("image_processing", version=1, title="Image processing")
def write(p: ProgramBuilder) -> None:
    """Two-dimensional images of bytes, floats and colours: convolution, bilateral and median filters, edges, corners,
    morphology, histograms, resampling, colour spaces, demosaicing, tone mapping, optical flow, stereo, compositing."""
    writers = {
        filters.convolve: 3.0, filters.bilateral: 2.0, filters.rank: 1.8, filters.edges: 2.4, filters.corners: 1.6,
        masks.morphology: 2.2, masks.threshold: 2.0, masks.composite: 2.2, masks.label: 1.6, masks.poisson: 1.4,
        color.convert: 2.6, color.tone: 2.2, color.demosaic: 1.8, color.histogram: 2.4, color.correct: 2.0,
        warps.resample: 2.4, warps.pyramid: 1.8, warps.transpose: 1.6, warps.integral: 1.2, motion.flow: 2.0,
        motion.variational: 1.8, motion.stereo: 1.8, motion.difference: 1.8,
    }  # fmt: skip
    p.weighted(writers)(p)
