"""Image processing: filters, edges, morphology, histograms, warps, colour, sensors, motion, masks."""

from generator.synthesis.categories import _image_color as color
from generator.synthesis.categories import _image_compare as compare
from generator.synthesis.categories import _image_features as features
from generator.synthesis.categories import _image_filters as filters
from generator.synthesis.categories import _image_histograms as histograms
from generator.synthesis.categories import _image_labels as labels
from generator.synthesis.categories import _image_layers as layers
from generator.synthesis.categories import _image_layout as layout
from generator.synthesis.categories import _image_levels as levels
from generator.synthesis.categories import _image_masks as masks
from generator.synthesis.categories import _image_motion as motion
from generator.synthesis.categories import _image_sensor as sensor
from generator.synthesis.categories import _image_smooth as smooth
from generator.synthesis.categories import _image_stereo as stereo
from generator.synthesis.categories import _image_tone as toning
from generator.synthesis.categories import _image_warps as warps
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("image_processing", version=1, title="Image processing")
def write(p: ProgramBuilder) -> None:
    """Two-dimensional images of bytes, floats and colours: convolution, bilateral and median filters, edges, corners,
    morphology, histograms, resampling, colour spaces, demosaicing, tone mapping, optical flow, stereo, compositing."""
    writers = {
        filters.convolve: 3.0, smooth.bilateral: 2.0, smooth.rank: 1.8, features.edges: 2.4, features.corners: 1.6,
        masks.morphology: 2.2, masks.threshold: 2.0, layers.composite: 2.2, labels.label: 1.6, labels.poisson: 1.4,
        color.convert: 2.6, toning.tone: 2.2, sensor.demosaic: 1.8, histograms.histogram: 2.4, sensor.correct: 2.0,
        warps.resample: 2.4, levels.pyramid: 1.8, layout.transpose: 1.6, layout.integral: 1.2, motion.flow: 2.0,
        motion.variational: 1.8, stereo.stereo: 1.8, compare.difference: 1.8,
    }  # fmt: skip
    p.weighted(writers)(p)
