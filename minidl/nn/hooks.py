"""Calling a Module that has hooks: functions of the user's that look on, or step in, as values pass through.

A forward pre-hook sees the arguments before ``forward``, a forward hook the result after it. For a backward hook the
tensors that go in and come out pass through an operation that copies them; going backward, it calls the hook. (A view
would do, but for a change in place, which its base's history would not have.)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ArgumentError, DTypeError, must
from minidl.grad_mode import is_grad_enabled
from minidl.tape import Op
from minidl.tensor import RemovableHandle, Tensor, as_tensor

if TYPE_CHECKING:
    from minidl.nn.module import Module

# The gradients, those that arrive, pass through ``hook(gradients) -> gradients``.
_watch = Op(
    "backward_hook",
    lambda _hook, *xs: (tuple([np.copy(x, order="K") for x in xs]),),
    joint=lambda _needs, g, _y, hook, *_xs: (None, *hook(g)),
    multi=True,
)


class Hooks:
    """The hooks of one module, each a pair: the function, and whether it wants the keyword arguments too."""

    def __init__(self) -> None:
        self.pre: OrderedDict[int, Any] = OrderedDict()
        self.forward: OrderedDict[int, Any] = OrderedDict()
        self.backward: OrderedDict[int, Any] = OrderedDict()

    def register(
        self, kind: str, hook: Callable[..., Any], with_kwargs: bool, prepend: bool
    ) -> RemovableHandle:
        hooks: OrderedDict[int, Any] = getattr(self, kind)
        handle = RemovableHandle(hooks, (hook, with_kwargs))
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        return handle


def call_with_hooks(module: Module, hooks: Hooks, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``module.forward(*args, **kwargs)``, with the module's hooks around it."""
    args, kwargs = _call_pre_hooks(module, hooks, args, kwargs)
    watcher = _Watcher(module, hooks) if hooks.backward and is_grad_enabled() else None
    if watcher is not None:
        args = watcher.watch_inputs(args)
    result = module.forward(*args, **kwargs)
    for hook, with_kwargs in list(hooks.forward.values()):
        changed = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
        result = result if changed is None else changed
    return result if watcher is None else watcher.watch_outputs(result)


def _call_pre_hooks(
    module: Module, hooks: Hooks, args: Any, kwargs: Any
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    for hook, with_kwargs in list(hooks.pre.values()):
        changed = hook(module, args, kwargs) if with_kwargs else hook(module, args)
        if changed is None:
            continue
        if not with_kwargs:
            args = changed if isinstance(changed, tuple) else (changed,)
        elif isinstance(changed, tuple) and len(changed) == 2:
            args, kwargs = changed
        else:
            raise ArgumentError(
                must("forward pre-hook", "what it returns", "None or (args, kwargs)", repr(changed))
            )
    return args, kwargs


class _Watcher:
    """One call of a module: remembers its output's gradient until that of its inputs has been computed."""

    def __init__(self, module: Module, hooks: Hooks) -> None:
        self.module, self.hooks = module, hooks
        self.grad_output: tuple[Any, ...] | None = None
        self.inputs: list[int] = []  # the positions of the arguments that require a gradient
        self.outputs: list[int] = []
        self.n_inputs = self.n_outputs = 0

    def watch_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.n_inputs, self.inputs = len(args), _differentiable(args)
        return _pass_through(self._inputs_done, args, self.inputs)

    def watch_outputs(self, result: Any) -> Any:
        results = result if isinstance(result, tuple) else (result,)
        self.n_outputs, self.outputs = len(results), _differentiable(results)
        results = _pass_through(self._outputs_done, results, self.outputs)
        return results if isinstance(result, tuple) else results[0]

    def _outputs_done(self, gradients: Sequence[Any]) -> Sequence[Any]:
        self.grad_output = _spread(gradients, self.outputs, self.n_outputs)
        if not self.inputs:
            changed = self._call_hooks((None,) * self.n_inputs)
            if any(g is not None for g in changed):
                expected = "None where no input requires a gradient"
                raise ArgumentError(must("backward hook", "what it returns", expected, "a gradient"))
        return [_same(g) for g in gradients]

    def _inputs_done(self, gradients: Sequence[Any]) -> Sequence[Any]:
        if (
            self.grad_output is None
        ):  # they come from elsewhere: forward kept its input, and the result was not used
            return [_same(g) for g in gradients]
        changed = self._call_hooks(_spread(gradients, self.inputs, self.n_inputs))
        pairs = zip(gradients, [changed[i] for i in self.inputs], strict=True)
        return [_same(new if new is None or isinstance(g, Tensor) else new.array) for g, new in pairs]

    def _call_hooks(self, grad_input: tuple[Any, ...]) -> tuple[Any, ...]:
        grad_output, self.grad_output = self.grad_output, None
        for hook, _ in list(self.hooks.backward.values()):
            changed = hook(self.module, grad_input, grad_output)
            if changed is None:
                continue
            changed = changed if isinstance(changed, tuple) else (changed,)
            if len(changed) != len(grad_input):
                expected = f"None or {len(grad_input)} gradients"
                raise ArgumentError(must("backward hook", "what it returns", expected, len(changed)))
            for g in changed:
                if not (g is None or isinstance(g, Tensor)):
                    raise DTypeError(
                        must("backward hook", "each gradient", "a Tensor or None", type(g).__name__)
                    )
            grad_input = changed
        return grad_input


def _differentiable(values: Sequence[Any]) -> list[int]:
    return [i for i, value in enumerate(values) if isinstance(value, Tensor) and value.requires_grad]


def _pass_through(done: Callable[..., Any], values: tuple[Any, ...], positions: list[int]) -> tuple[Any, ...]:
    """``values``, with those at ``positions`` passed through the operation that calls ``done`` on the way back."""
    if not positions:
        return values
    passed = list(values)
    for i, tensor in zip(positions, _watch(done, *[values[i] for i in positions]), strict=True):
        passed[i] = tensor
    return tuple(passed)


def _spread(gradients: Sequence[Any], positions: list[int], count: int) -> tuple[Any, ...]:
    """``gradients`` as tensors at their ``positions`` among ``count``; None elsewhere."""
    found = dict(zip(positions, gradients, strict=True))
    return tuple([None if found.get(i) is None else as_tensor(found[i]) for i in range(count)])


def _same(g: Any) -> Any:
    """A view of an array, which tells the tape that others may hold it; anything else is handed on."""
    return g if g is None or isinstance(g, Tensor) else g[...]
