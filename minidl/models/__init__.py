"""Whole networks."""

from minidl.models.autoencoder import MLP, Autoencoder
from minidl.models.classifier import ImageClassifier
from minidl.models.imagenet import decode_predictions, imagenet_classes
from minidl.models.loading import LoadReport, load_weights
from minidl.models.preprocessing import Preprocess
from minidl.models.vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn

__all__ = [
    "MLP", "Autoencoder",
    "VGG", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn",
    "ImageClassifier", "Preprocess", "load_weights", "LoadReport", "decode_predictions", "imagenet_classes",
]  # fmt: skip
