"""Fitting a line: gradient descent, written out.

Fifty points about the line 3 x + 2. In each step the loss is computed, its gradient tells in which direction slope and
intercept should not go, and both take a step in the other. An optimizer does no more than the last two lines.
"""

import minidl

minidl.manual_seed(0)
x = minidl.linspace(-1, 1, 50)
y = 3 * x + 2 + 0.1 * minidl.randn(50)

slope = minidl.zeros(1, requires_grad=True)
intercept = minidl.zeros(1, requires_grad=True)
for step in range(41):
    loss = ((slope * x + intercept - y) ** 2).mean()
    if step % 10 == 0:
        print(f"step {step:2}: loss {loss.item():.4f}, y = {slope.item():.3f} x + {intercept.item():.3f}")
    slope.grad = intercept.grad = None
    loss.backward()
    with minidl.no_grad():
        slope -= 0.3 * slope.grad
        intercept -= 0.3 * intercept.grad
