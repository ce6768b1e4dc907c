"""Module: a part of a network, with its parameters, its buffers and its parts.

A Module is an ordinary object: what is assigned to it stands in its ``__dict__``, in order. A
:class:`~minidl.nn.Parameter` among its attributes is one of its parameters, a Module among them is one of its
children; only buffers, which are plain tensors, have to be declared. Everything else is a walk over this tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar

import numpy as np

from minidl.dtypes import as_dtype, float16, float32, float64
from minidl.errors import ArgumentError, DTypeError, must
from minidl.nn import checkpoint, freezing, printing
from minidl.nn.hooks import Hooks, call_with_hooks
from minidl.nn.parameter import Parameter
from minidl.ops.arguments import check_device, is_device, no_cuda
from minidl.tensor import RemovableHandle, Tensor

M = TypeVar("M", bound="Module")


class Module:
    """The base of all layers and networks. A subclass assigns its parts in ``__init__`` and defines ``forward``.

    >>> from minidl import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = nn.Linear(4, 8)
    ...         self.output = nn.Linear(8, 2)
    ...
    ...     def forward(self, x):
    ...         return self.output(nn.functional.relu(self.hidden(x)))
    >>> [name for name, parameter in Net().named_parameters()]
    ['hidden.weight', 'hidden.bias', 'output.weight', 'output.bias']
    """

    training: bool
    _buffers: dict[str, bool]  # the names of the tensors that are buffers, and whether state_dict has them
    _frozen = False  # by its own name, not only its parameters
    _hooks: Hooks | None = None
    _version = 1  # of what state_dict has of this class
    _added_in: ClassVar[dict[str, int]] = {}  # buffers that state dicts of earlier versions lack

    def __init__(self) -> None:
        self._buffers = {}
        self.training = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass defines it. Call the module itself, which also runs its hooks."""
        raise NotImplementedError(f"{type(self).__name__}: a module that is called must define forward")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._hooks is None:
            return self.forward(*args, **kwargs)
        return call_with_hooks(self, self._hooks, args, kwargs)

    def extra_repr(self) -> str:
        """What stands between the brackets when the module is printed."""
        return ""

    __repr__ = printing.module_repr

    # --- Its parts ----------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        buffers, old = self.__dict__.get("_buffers"), self.__dict__.get(name)
        for kind, what in ((Parameter, "parameters"), (Module, "modules")):
            if isinstance(value, kind):
                if buffers is None:
                    raise AttributeError(
                        f"{type(self).__name__}: cannot assign {what} before Module.__init__() call"
                    )
                buffers.pop(name, None)
                break
            if isinstance(old, kind) and value is not None:
                raise DTypeError(self._must_be(name, kind, value))
        else:
            if buffers and name in buffers and not (value is None or isinstance(value, Tensor)):
                raise DTypeError(self._must_be(name, Tensor, value))
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._buffers.pop(name, None)

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name[0].isdigit()]

    def _must_be(self, name: str, kind: type, value: Any) -> str:
        return must(type(self).__name__, repr(name), f"a {kind.__name__} or None", type(value).__name__)

    def _register(self, op: str, name: str, kind: type, value: Any) -> None:
        if not isinstance(name, str):
            raise DTypeError(must(op, "name", "a str", type(name).__name__))
        if not name or "." in name:
            raise ArgumentError(must(op, "name", "without dots and not empty", repr(name)))
        if hasattr(self, name) and not isinstance(getattr(self, name), (kind, type(None))):
            raise ArgumentError(must(op, "name", f"none that {type(self).__name__} has already", repr(name)))
        if not (value is None or isinstance(value, kind)):
            raise DTypeError(self._must_be(name, kind, value))
        setattr(self, name, value)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """``self.name = param``, for names that are computed; None keeps the place."""
        self._register("register_parameter", name, Parameter, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Make ``tensor`` part of the module's state that is not learned, such as running statistics.

        Args:
            persistent: whether ``state_dict`` has it.
        """
        if "_buffers" not in self.__dict__:
            raise AttributeError(
                f"{type(self).__name__}: cannot assign buffers before Module.__init__() call"
            )
        if isinstance(tensor, Parameter):
            raise DTypeError(must("register_buffer", "tensor", "a Tensor that is no Parameter", "Parameter"))
        self._register("register_buffer", name, Tensor, tensor)
        self._buffers[name] = persistent

    def add_module(self, name: str, module: Module | None) -> None:
        """``self.name = module``, for names that are computed."""
        self._register("add_module", name, Module, module)

    register_module = add_module

    def _own_parameters(self) -> dict[str, Parameter]:
        return {name: value for name, value in vars(self).items() if isinstance(value, Parameter)}

    def _own_buffers(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._buffers if getattr(self, name) is not None}

    def _children(self) -> dict[str, Module]:
        return {name: value for name, value in vars(self).items() if isinstance(value, Module)}

    # --- Walks over the tree ------------------------------------------------------------------------------------

    def named_modules(
        self, memo: set[int] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """``(dotted name, module)`` of this module, whose name is ``prefix``, and all below it, parents first.

        A module that stands in several places comes once, unless ``remove_duplicate`` is False.
        """
        memo = set() if memo is None else memo
        if remove_duplicate and id(self) in memo:
            return
        memo.add(id(self))
        yield prefix, self
        for name, child in self._children().items():
            yield from child.named_modules(memo, freezing.join(prefix, name), remove_duplicate)

    def _named_tensors(
        self, own: Callable[[Module], dict[str, Any]], prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        walk = self.named_modules(None, prefix, remove_duplicate) if recurse else [(prefix, self)]
        for path, module in walk:
            for name, tensor in own(module).items():
                if not (remove_duplicate and id(tensor) in seen):
                    seen.add(id(tensor))
                    yield freezing.join(path, name), tensor

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """``(dotted name, parameter)``; a parameter that several modules share comes once, under its first name."""
        return self._named_tensors(Module._own_parameters, prefix, recurse, remove_duplicate)

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """``(dotted name, buffer)``."""
        return self._named_tensors(Module._own_buffers, prefix, recurse, remove_duplicate)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """``(name, module)`` of the modules directly below this one, each once."""
        seen: set[int] = set()
        for name, child in self._children().items():
            if id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters of this module and, with ``recurse``, of all below it, each once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of this module and, with ``recurse``, of all below it, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def children(self) -> Iterator[Module]:
        """The modules directly below this one, each once."""
        return (child for _, child in self.named_children())

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def _get(self, op: str, target: str, kind: type, names: Callable[[], Iterator[tuple[str, Any]]]) -> Any:
        found: Any = self
        for part in target.split(".") if target else ():
            found = vars(found).get(part) if isinstance(found, Module) else None
        if not isinstance(found, kind):
            near = freezing.near(target, [name for name, _ in names()])
            raise AttributeError(f"{op}: {type(self).__name__} has no {kind.__name__} {target!r}{near}")
        return found

    def get_submodule(self, target: str) -> Module:
        """The module with this dotted name; "" is this one."""
        return self._get("get_submodule", target, Module, self.named_modules)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with this dotted name."""
        return self._get("get_parameter", target, Parameter, self.named_parameters)

    def get_buffer(self, target: str) -> Tensor:
        """The buffer with this dotted name."""
        path, _, name = target.rpartition(".")
        owner = self._get("get_buffer", path, Module, self.named_modules)
        if name not in owner._own_buffers():
            near = freezing.near(target, [name for name, _ in self.named_buffers()])
            raise AttributeError(f"get_buffer: {type(self).__name__} has no buffer {target!r}{near}")
        return owner._own_buffers()[name]

    # --- Done to the whole tree ---------------------------------------------------------------------------------

    def apply(self: M, fn: Callable[[Module], Any]) -> M:
        """Call ``fn`` on every module below this one, then on this one; returns it."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self: M, mode: bool = True) -> M:
        """Set ``training`` here and below: it tells Dropout and BatchNorm what to do. What is frozen stays frozen."""
        if not isinstance(mode, bool):
            raise DTypeError(must("train", "mode", "a bool", type(mode).__name__))
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: M) -> M:
        """``train(False)``."""
        return self.train(False)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters; without ``set_to_none``, fill them with zeros."""
        for parameter in self.parameters():
            if not set_to_none and parameter.grad is not None:
                parameter.grad = Tensor(np.zeros_like(parameter.grad.array))
            else:
                parameter.grad = None

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Let all parameters collect gradients, or not. BatchNorm's statistics keep moving; :meth:`freeze` stops them.

        Raises:
            GradError: ``requires_grad`` is True and a parameter is frozen.
        """
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    freeze = freezing.freeze
    unfreeze = freezing.unfreeze
    is_frozen = property(freezing.is_frozen)

    def to(self: M, *args: Any, device: Any = None, dtype: Any = None, non_blocking: bool = False) -> M:  # noqa: ARG002
        """Convert parameters and buffers of floats, in place, to the dtype that is given or that a tensor has.

        The device can only be "cpu".
        """
        for arg in (*args, *(() if device is None else (device,))):
            if isinstance(arg, Tensor):
                dtype = arg.dtype
            elif is_device(arg):
                check_device("to", arg)
            elif not isinstance(arg, bool):
                dtype = as_dtype("to", arg)
        return self if dtype is None else self._convert(as_dtype("to", dtype))

    def _convert(self: M, dtype: np.dtype) -> M:
        if dtype.kind != "f":
            raise DTypeError(must("to", "dtype", "a floating dtype", dtype))
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.is_floating_point() and tensor.dtype != dtype:
                grad, tensor.grad = tensor.grad, None
                tensor.data = Tensor(tensor.array.astype(dtype))
                if grad is not None:
                    tensor.grad = Tensor(grad.array.astype(dtype))
        return self

    def cpu(self: M) -> M:
        """Itself: there is no other device."""
        return self

    def cuda(self: M, device: Any = None) -> M:  # noqa: ARG002 - PyTorch's argument
        """An error, as in PyTorch without CUDA."""
        no_cuda("cuda")

    def float(self: M) -> M:
        """``to(float32)``."""
        return self._convert(float32)

    def double(self: M) -> M:
        """``to(float64)``."""
        return self._convert(float64)

    def half(self: M) -> M:
        """``to(float16)``."""
        return self._convert(float16)

    state_dict = checkpoint.state_dict
    load_state_dict = checkpoint.load_state_dict

    # --- Hooks --------------------------------------------------------------------------------------------------

    def _register_hook(
        self, kind: str, hook: Callable[..., Any], with_kwargs: bool, prepend: bool
    ) -> RemovableHandle:
        if self._hooks is None:
            self._hooks = Hooks()
        return self._hooks.register(kind, hook, with_kwargs, prepend)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Before each ``forward``, call ``hook(module, args)``; what it returns, if not None, replaces ``args``.

        With ``with_kwargs``, ``hook(module, args, kwargs)``, which may return ``(args, kwargs)``. ``prepend`` puts it
        before the hooks that are there. Returns a handle, whose ``remove()`` takes the hook off.
        """
        return self._register_hook("pre", hook, with_kwargs, prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """After each ``forward``, call ``hook(module, args, result)``; if not None, its value replaces the result.

        With ``with_kwargs``, ``hook(module, args, kwargs, result)``.
        """
        return self._register_hook("forward", hook, with_kwargs, prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """When the gradients of a call's arguments are complete, call ``hook(module, grad_input, grad_output)``.

        Both are tuples of tensors, with None for what has no gradient; keyword arguments are not among them. What the
        hook returns, if not None, replaces ``grad_input``. If no argument requires a gradient, the hook is called
        when the gradients of the result are complete.
        """
        return self._register_hook("backward", hook, False, prepend)
