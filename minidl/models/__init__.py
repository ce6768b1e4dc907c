"""Whole networks."""

from minidl.models.autoencoder import MLP, Autoencoder

__all__ = ["MLP", "Autoencoder"]
