"""minidl: a deep learning engine that one person can read from end to end."""

import importlib
from math import e as e
from math import inf as inf
from math import nan as nan
from math import pi as pi
from typing import Any

from minidl import accelerator as accelerator
from minidl import autograd as autograd
from minidl import backends as backends
from minidl import cuda as cuda
from minidl import data as data
from minidl import errors as errors
from minidl import kernels as kernels
from minidl import linalg as linalg
from minidl import nn as nn
from minidl import optim as optim
from minidl import random as random
from minidl import rebuilding as rebuilding
from minidl import utils as utils
from minidl.anomaly import detect_anomaly as detect_anomaly
from minidl.autograd import grad as grad
from minidl.creation import *
from minidl.device import device as device
from minidl.device import get_default_device as get_default_device
from minidl.device import set_default_device as set_default_device
from minidl.drawing import *
from minidl.dtypes import *
from minidl.dtypes import bool_ as bool
from minidl.dtypes import float16 as half
from minidl.dtypes import float32 as float
from minidl.dtypes import float64 as double
from minidl.dtypes import int16 as short
from minidl.dtypes import int32 as int
from minidl.dtypes import int64 as long
from minidl.errors import MinidlError as MinidlError
from minidl.grad_mode import enable_grad as enable_grad
from minidl.grad_mode import is_grad_enabled as is_grad_enabled
from minidl.grad_mode import no_grad as inference_mode
from minidl.grad_mode import no_grad as no_grad
from minidl.grad_mode import set_grad_enabled as set_grad_enabled
from minidl.kernels.memory import keep_freed_memory
from minidl.kernels.threads import get_num_threads as get_num_threads
from minidl.kernels.threads import set_num_threads as set_num_threads
from minidl.ops.activation import *
from minidl.ops.adaptive_pool import adaptive_avg_pool1d as adaptive_avg_pool1d
from minidl.ops.choice import *
from minidl.ops.comparison import *
from minidl.ops.composite import *
from minidl.ops.contraction import *
from minidl.ops.conv import conv1d as conv1d
from minidl.ops.conv import conv2d as conv2d
from minidl.ops.counting import *
from minidl.ops.distances import cosine_similarity as cosine_similarity
from minidl.ops.distances import pairwise_distance as pairwise_distance
from minidl.ops.division import *
from minidl.ops.elementwise import *
from minidl.ops.extremes import *
from minidl.ops.gathering import *
from minidl.ops.indexing import *
from minidl.ops.joining import *
from minidl.ops.linalg import *
from minidl.ops.matrices import *
from minidl.ops.ordering import *
from minidl.ops.patches import pixel_shuffle as pixel_shuffle
from minidl.ops.patches import pixel_unshuffle as pixel_unshuffle
from minidl.ops.permutation import *
from minidl.ops.pool1d import avg_pool1d as avg_pool1d
from minidl.ops.queries import *
from minidl.ops.rectifiers import prelu as prelu
from minidl.ops.reduce import *
from minidl.ops.reorder import *
from minidl.ops.replace import fill as fill
from minidl.ops.rounding import *
from minidl.ops.sampling import *
from minidl.ops.scan import *
from minidl.ops.scattering import *
from minidl.ops.shape import *
from minidl.ops.special import *
from minidl.ops.stacking import *
from minidl.ops.statistics import *
from minidl.ops.transposed import conv_transpose1d as conv_transpose1d
from minidl.ops.transposed import conv_transpose2d as conv_transpose2d
from minidl.ops.trigonometric import *
from minidl.ops.vector_norm import *
from minidl.overwriting import *
from minidl.random import *
from minidl.serialization import load as load
from minidl.serialization import save as save
from minidl.tape import Op as Op
from minidl.tensor import Tensor as Tensor
from minidl.tensor import from_numpy as from_numpy

__version__ = "0.1.0"

# What most programs do not need is imported when it is first used: modules, and functions and classes of modules.
_LAZY = ("models", "pretrain", "testing", "training", "viz")
_LAZY_NAMES = {"Trainer": "training", "graph": "viz", "summary": "nn.summary"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f"minidl.{name}")
    if name in _LAZY_NAMES:
        return getattr(importlib.import_module(f"minidl.{_LAZY_NAMES[name]}"), name)
    raise AttributeError(f"module 'minidl' has no attribute {name!r}")


Size = tuple  # what ``.shape`` is

keep_freed_memory()
rebuilding.imported_late.append("minidl.models")
