"""A gradient by hand, and by the tape.

The loss of a neuron with one weight, (sigmoid(w x) - t)², and how it changes with w: first by the chain rule, as one
does it on paper; then by minidl, which records what is computed and applies the same rule, backwards, operation by
operation; then by simply moving w a little.
"""

import math

import minidl
from minidl.autograd import graph_nodes

x, t, w = 2.0, 1.0, 0.5

# By hand: the intermediate values, and then the derivative of each with respect to the one before it.
z = w * x
y = 1 / (1 + math.exp(-z))
loss = (y - t) ** 2
dloss_dy = 2 * (y - t)
dy_dz = y * (1 - y)
dz_dw = x
by_hand = dloss_dy * dy_dz * dz_dw

# By the tape: ``requires_grad`` says that operations on w are to be recorded.
weight = minidl.tensor(w, dtype=minidl.float64, requires_grad=True)
result = (minidl.sigmoid(weight * x) - t) ** 2
recorded = " -> ".join(node.name for node in graph_nodes(result))
result.backward()
by_tape = weight.grad.item()


# By moving w.
def loss_at(w: float) -> float:
    return (1 / (1 + math.exp(-w * x)) - t) ** 2


by_difference = (loss_at(w + 1e-6) - loss_at(w - 1e-6)) / 2e-6

print(f"loss          {loss:.6f}  {result.item():.6f}")
print(f"by hand       {by_hand:.9f}")
print(f"by the tape   {by_tape:.9f}   recorded: {recorded}")
print(f"by moving w   {by_difference:.9f}")
