"""Pretraining: what turns unlabelled data into a base that a classifier can stand on."""

from minidl.pretrain.autoencoder import AutoencoderPretrainer

__all__ = ["AutoencoderPretrainer"]
