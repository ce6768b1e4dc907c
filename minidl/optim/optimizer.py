"""What all optimizers share: parameters in groups, state for each parameter, and the walk over them.

An optimizer adds to this its options and :meth:`Optimizer.update`, the step of one parameter.
"""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from minidl.errors import ArgumentError, DTypeError, GradError, ShapeError, WeightsError, must
from minidl.grad_mode import enable_grad
from minidl.tensor import Tensor

Parameters = Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Iterable[dict[str, Any]]


class Optimizer:
    """The base of all optimizers, with the interface of ``torch.optim.Optimizer``.

    A subclass calls this constructor with the defaults of its options, and defines :meth:`update`, and :meth:`check`
    if some values of its options make no sense.

    Args:
        params: tensors, or (name, tensor) pairs, or dicts: groups of parameters that share options, as in
            ``[{"params": base.parameters(), "lr": 1e-5}, {"params": head.parameters()}]``. Frozen parameters may be
            among them: they get no update until they are unfrozen.
        defaults: the options of a group that does not set its own.
        foreach, fused, capturable: accepted and without effect. They choose among PyTorch's implementations of the
            same step; minidl has one, which works in place in one pass.
        differentiable: must be False: a step is never recorded.

    Attributes:
        param_groups: a list of dicts, each with the list ``"params"`` and a value for every option. Changing an
            option there (``optimizer.param_groups[0]["lr"] /= 10``) holds from the next step on.
        state: for each parameter that has been updated, a dict of what is remembered of it, made when first needed:
            numbers, and tensors of the parameter's shape.

    Raises:
        DTypeError: ``params`` is a tensor or a set, one of them is no tensor, or an option is no number.
        ArgumentError: there are no parameters, one of them is computed or occurs twice, or an option is out of range.
    """

    def __init__(
        self,
        params: Parameters,
        defaults: dict[str, Any],
        *,
        foreach: bool | None = None,  # noqa: ARG002
        fused: bool | None = None,  # noqa: ARG002
        capturable: bool = False,  # noqa: ARG002
        differentiable: bool = False,
    ) -> None:
        op = type(self).__name__
        if differentiable:
            raise GradError(
                must(op, "differentiable", "False, because a step is never recorded", differentiable)
            )
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self.check(defaults)
        entries = _listed(op, params)
        if not entries:
            raise ArgumentError(must(op, "params", "at least one parameter", "none"))
        for group in entries if isinstance(entries[0], dict) else [{"params": entries}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Optimize more parameters: a dict of ``"params"`` (a tensor, or several) and of options that differ.

        Raises:
            DTypeError, ArgumentError: as the constructor.
        """
        op = type(self).__name__
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise DTypeError(must(op, "a parameter group", 'a dict with the key "params"', repr(param_group)))
        params = param_group["params"]
        entries = [params] if isinstance(params, Tensor) else _listed(op, params)
        names = [entry[0] for entry in entries if isinstance(entry, tuple)]
        group = {**self.defaults, **param_group}
        group["params"] = [entry[1] if isinstance(entry, tuple) else entry for entry in entries]
        if names:
            group["param_names"] = names
        mixed = any(("param_names" in other) != bool(names) for other in self.param_groups)
        if mixed or len(names) not in (0, len(entries)):
            raise ArgumentError(must(op, "params", "all with names or all without", "some of each"))
        self._check_params(group["params"])
        self.check(group)
        self.param_groups.append(group)

    def _check_params(self, params: list[Any]) -> None:
        op, known = type(self).__name__, {id(p) for p in self._parameters()}
        for i, p in enumerate(params):
            if not isinstance(p, Tensor):
                raise DTypeError(must(op, f"params[{i}]", "a Tensor", type(p).__name__))
            if not p.is_leaf:
                raise ArgumentError(must(op, f"params[{i}]", "a leaf", "a tensor that was computed"))
            if id(p) in known:
                raise ArgumentError(
                    must(op, f"params[{i}]", "in one group and once", "a parameter seen before")
                )
            known.add(id(p))

    def _parameters(self) -> Iterator[Tensor]:
        return (p for group in self.param_groups for p in group["params"])

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients: set them to None, or fill them with zeros (then momentum goes on moving)."""
        for p in self._parameters():
            if set_to_none:
                p.grad = None
            elif p.grad is not None:
                grad = p.grad.detach()
                grad.array.fill(0)
                grad.mark_written("zero_grad")
                p.grad = grad

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient, once, in place.

        A parameter that is frozen or requires no gradient, or whose gradient is None, stays as it is, and so does its
        state: neither momentum nor weight decay moves it. (PyTorch's moves one that requires none by an old gradient.)

        Args:
            closure: computes the gradients and returns the loss; called first.

        Returns:
            What the closure returned, else None.
        """
        loss = None
        if closure is not None:
            if not callable(closure):
                raise DTypeError(
                    must(f"{type(self).__name__}.step", "closure", "a function", type(closure).__name__)
                )
            with enable_grad():
                loss = closure()
        writer = f"{type(self).__name__}.step"
        with np.errstate(all="ignore"):  # as in every operation, infinities make no noise
            for group in self.param_groups:
                for p in group["params"]:
                    grad = p.grad
                    if grad is not None and p.requires_grad:
                        self.update(p, grad.array, group)
                        p.mark_written(writer)
        return loss

    def update(self, p: Tensor, g: np.ndarray, group: dict[str, Any]) -> None:
        """Change ``p.array`` in place by one step along its gradient ``g``, with the options in ``group``."""
        raise NotImplementedError(f"{type(self).__name__} must define update(p, g, group), or step(closure)")

    def check(self, options: dict[str, Any]) -> None:
        """Raise if an option has a value that makes no sense."""

    def check_range(self, name: str, value: Any, low: float = 0.0, below: float = math.inf) -> None:
        """Raise unless the option is a number (or a tensor of one) of at least ``low`` and less than ``below``."""
        if isinstance(value, Tensor) and value.numel() == 1:
            value = value.item()
        if not isinstance(value, (int, float, np.integer, np.floating)):
            raise DTypeError(must(type(self).__name__, name, "a number", type(value).__name__))
        if not low <= value < below:
            raise ArgumentError(must(type(self).__name__, name, f"in [{low:g}, {below:g})", value))

    def buffer(self, p: Tensor, name: str) -> np.ndarray:
        """The array of ``state[p][name]``: zeros in the shape of ``p`` and in C order, when first asked for."""
        state = self.state[p]
        if state.get(name) is None:
            state[name] = Tensor(np.zeros(p.shape, p.dtype))
        return state[name].array

    def state_dict(self) -> dict[str, Any]:
        """All that a later run needs to go on, parameters themselves aside, in PyTorch's structure.

        ``{"state": {index: {name: value}}, "param_groups": [{option: value, "params": [index]}]}``, where parameters
        are numbered through all groups. Its tensors are the optimizer's own, and change with the next step:
        ``copy.deepcopy`` it to keep it as it is.
        """
        index = {id(p): i for i, p in enumerate(self._parameters())}
        return {
            "state": {i: self.state[p] for i, p in enumerate(self._parameters()) if p in self.state},
            "param_groups": [
                {**group, "params": [index[id(p)] for p in group["params"]]} for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned: a copy of its state, and its options in place of the present.

        What follows is then equal, bit for bit, to a run that was never interrupted. Parameters are matched by their
        order. Tensors take their parameter's dtype. If anything is wrong, nothing is loaded.

        Raises:
            WeightsError: groups of other sizes, options that are missing, or state of a parameter there is none of.
            ShapeError: state whose shape is not its parameter's.
            ArgumentError: an option is out of range.
        """
        op = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state_dict, dict) or not {"state", "param_groups"} <= state_dict.keys():
            raise WeightsError(
                must(op, "state_dict", 'a dict of "state" and "param_groups"', repr(state_dict))
            )
        sizes = [len(group["params"]) for group in self.param_groups]
        saved_groups = state_dict["param_groups"]
        saved_sizes = [len(group["params"]) for group in saved_groups]
        if saved_sizes != sizes:
            raise WeightsError(must(op, "param_groups", f"groups of {sizes} parameters", saved_sizes))
        for i, saved in enumerate(saved_groups):
            if missing := self.defaults.keys() - saved.keys():
                raise WeightsError(f"{op}: param_groups[{i}] lacks {', '.join(sorted(missing))}")
            self.check(saved)
        indices = (index for group in saved_groups for index in group["params"])
        own = dict(zip(indices, self._parameters(), strict=True))
        state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        for index, values in state_dict["state"].items():
            if index not in own:
                raise WeightsError(must(op, "every index in state", "one in param_groups", repr(index)))
            state[own[index]] = {name: _loaded(op, own[index], index, name, v) for name, v in values.items()}
        self.state = state
        self.param_groups = [
            {**group, **copy.deepcopy(saved), "params": group["params"]}
            for group, saved in zip(self.param_groups, saved_groups, strict=True)
        ]

    def __repr__(self) -> str:
        lines, hidden = [f"{type(self).__name__} ("], ("params", "param_names")
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name not in hidden]
        return "\n".join([*lines, ")"])


def _listed(op: str, params: Any) -> list[Any]:
    """``params`` as a list, whose order is the same in every run."""
    if isinstance(params, Tensor) or not isinstance(params, Iterable):
        expected = "an iterable of tensors, of (name, tensor) pairs or of dicts"
        raise DTypeError(must(op, "params", expected, type(params).__name__))
    if isinstance(params, (set, frozenset)):
        raise DTypeError(must(op, "params", "in an order that repeats, as in a list", type(params).__name__))
    return list(params)


def _loaded(op: str, p: Tensor, index: Any, name: str, value: Any) -> Any:
    """A copy of one saved value for the parameter ``p``, in C order and in its dtype."""
    if name == "step":
        return int(value)  # PyTorch keeps it as a tensor
    if not isinstance(value, Tensor):
        return copy.deepcopy(value)
    if value.shape != p.shape:
        raise ShapeError(
            must(op, f"{name} of parameter {index}", f"of the parameter's shape {p.shape}", value.shape)
        )
    return Tensor(np.array(value.array, dtype=p.dtype, order="C"))
