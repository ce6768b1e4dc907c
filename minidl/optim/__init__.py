"""Optimizers: how parameters follow their gradients downhill.

>>> import minidl
>>> w = minidl.tensor([3.0], requires_grad=True)
>>> optimizer = minidl.optim.SGD([w], lr=0.1)
>>> for _ in range(3):
...     optimizer.zero_grad()
...     ((w - 1) ** 2).sum().backward()
...     optimizer.step()
>>> round(w.item(), 3)  # the distance to 1 shrinks by a factor of 1 - 0.1 * 2 at each step
2.024
"""

from minidl.optim import lr_scheduler
from minidl.optim.adam import Adam, AdamW
from minidl.optim.groups import param_groups
from minidl.optim.optimizer import Optimizer
from minidl.optim.rmsprop import RMSprop
from minidl.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler", "param_groups"]
