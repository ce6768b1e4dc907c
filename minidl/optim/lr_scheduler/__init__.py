"""Schedules: how the learning rate changes in the course of training. PyTorch's names and meaning.

>>> import minidl
>>> w = minidl.tensor([3.0], requires_grad=True)
>>> optimizer = minidl.optim.SGD([w], lr=0.8)
>>> scheduler = StepLR(optimizer, step_size=2, gamma=0.5)
>>> for _ in range(5):
...     print(scheduler.get_last_lr())
...     optimizer.step()
...     scheduler.step()
[0.8]
[0.8]
[0.4]
[0.4]
[0.2]
"""

from minidl.optim.lr_scheduler.base import LRScheduler
from minidl.optim.lr_scheduler.composed import ChainedScheduler, SequentialLR
from minidl.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from minidl.optim.lr_scheduler.cycles import CyclicLR, OneCycleLR
from minidl.optim.lr_scheduler.factors import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from minidl.optim.lr_scheduler.plateau import ReduceLROnPlateau

__all__ = [
    "LRScheduler", "StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR",
    "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "OneCycleLR", "CyclicLR", "LambdaLR", "MultiplicativeLR",
    "ReduceLROnPlateau", "SequentialLR", "ChainedScheduler",
]  # fmt: skip
