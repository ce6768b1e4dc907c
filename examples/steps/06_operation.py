"""An operation of one's own, and the check of its gradient.

An operation is a function on arrays, and for each argument one line of mathematics: the gradient of a loss with respect
to the argument, given that with respect to the result (g). ``gradcheck`` moves every element of the input a little, and
compares. Below it finds the mistake that one makes most easily: a forgotten inner derivative.
"""

import numpy as np

import minidl
from minidl.testing import GradcheckError, gradcheck, gradgradcheck

# exp(-x²), a bump about 0; its derivative is -2 x exp(-x²), which is -2 x times the result y.
bump = minidl.Op("bump", lambda x: np.exp(-x * x), lambda g, y, x: g * (-2 * x * y))
wrong = minidl.Op("wrong", lambda x: np.exp(-x * x), lambda g, y, _x: g * y)

minidl.manual_seed(0)
x = minidl.randn(3, 4, dtype=minidl.float64, requires_grad=True)
print("the gradient agrees:         ", gradcheck(bump, x))
print("and that of the gradient too:", gradgradcheck(bump, x))
try:
    gradcheck(wrong, x)
except GradcheckError as error:
    print("without the inner derivative:", error)

# It works like any other: on arrays, on tensors, and in a network.
print("on an array:                 ", bump(np.array([0.0, 1.0])).round(4))
w = minidl.tensor([0.5], requires_grad=True)
optimizer = minidl.optim.SGD([w], lr=0.1)
for _ in range(100):  # where is the bump 0.2 high?
    optimizer.zero_grad()
    ((bump(w) - 0.2) ** 2).sum().backward()
    optimizer.step()
print(f"bump({w.item():.3f}) =                 {bump(w).item():.3f}")
