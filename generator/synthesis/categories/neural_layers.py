"""Layers of neural networks."""

from generator.synthesis import types as T
from generator.synthesis.categories._neural_attention import attention
from generator.synthesis.categories._neural_backward import backward
from generator.synthesis.categories._neural_convolution import convolution
from generator.synthesis.categories._neural_dense import linear, recurrent, tiny_mlp
from generator.synthesis.categories._neural_elementwise import elementwise
from generator.synthesis.categories._neural_encodings import embedding
from generator.synthesis.categories._neural_losses import loss
from generator.synthesis.categories._neural_norms import normalisation
from generator.synthesis.categories._neural_pooling import pooling
from generator.synthesis.categories._neural_quantised import quantise
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("neural_layers", version=1, title="Neural network layers")
def write(p: ProgramBuilder) -> None:
    """Forward and backward pieces of networks: linear, convolutional, recurrent and attention layers, normalisation,
    pooling, embeddings and encodings, losses, activations as functions, quantised and half-precision weights."""
    p.real = T.F64 if p.on("double") else T.F32
    intent = p.weighted({
        linear: 5, convolution: 4, attention: 4, normalisation: 4, embedding: 3.5, pooling: 2.5, loss: 4.5, backward: 3,
        quantise: 3.5, elementwise: 3.5, recurrent: 2, tiny_mlp: 2.5,
    })  # fmt: skip
    intent(p)
