"""Matplotlib figures of a network: filters, feature maps, activations, gradients, saliency, a training run."""
