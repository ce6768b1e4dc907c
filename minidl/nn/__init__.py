"""Networks: modules, layers, losses, and how their values begin. PyTorch's names."""

from minidl.nn import functional, init, utils
from minidl.nn.activation import LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from minidl.nn.batchnorm import BatchNorm1d, BatchNorm2d
from minidl.nn.categorical import CategoricalCrossEntropy
from minidl.nn.checkpoint import IncompatibleKeys, StateDict
from minidl.nn.containers import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from minidl.nn.conv import Conv2d
from minidl.nn.dropout import Dropout, Dropout2d
from minidl.nn.flatten import Flatten, Unflatten
from minidl.nn.linear import Identity, Linear
from minidl.nn.loss import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, MSELoss, NLLLoss
from minidl.nn.module import Module
from minidl.nn.norm import GroupNorm, LayerNorm
from minidl.nn.parameter import Parameter
from minidl.nn.pooling import AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, MaxPool2d

__all__ = [
    "Module", "Parameter", "StateDict", "IncompatibleKeys",
    "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict",
    "Linear", "Identity", "Conv2d", "MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "AdaptiveMaxPool2d",
    "BatchNorm1d", "BatchNorm2d", "LayerNorm", "GroupNorm",
    "Dropout", "Dropout2d", "Flatten", "Unflatten",
    "ReLU", "Sigmoid", "Tanh", "Softmax", "LogSoftmax",
    "MSELoss", "L1Loss", "CrossEntropyLoss", "NLLLoss", "BCELoss", "BCEWithLogitsLoss",
    "CategoricalCrossEntropy",
    "functional", "init", "utils",
]  # fmt: skip
