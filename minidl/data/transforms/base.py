"""What all transforms share, and those that are made of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minidl.data.randomness import is_random
from minidl.data.transforms.checks import check_probability
from minidl.errors import ArgumentError, DTypeError, must
from minidl.random import current_generator


class Transform:
    """The base of transforms: called with a picture or a tensor, it returns another.

    Attributes:
        random: False says that the result depends on the argument alone; a class that does not say so may be random.
            What a transform draws, it draws from :func:`minidl.data.current_generator`, so that it belongs to the
            sample, not to the order of the calls.
        fresh: True says that the result is nobody else's, so that the next transform may overwrite it.
    """

    random = True
    fresh = False
    _shown: tuple[str, ...] = ()  # the attributes in its repr, which tells what it does; default: all

    def __call__(self, img: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __call__")

    def overwrite(self, img: Any) -> Any:
        """What a call returns; it may change ``img``, which the caller has made and will not use again."""
        return self(img)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._shown or vars(self))
        return f"{type(self).__name__}({shown})"


class _Several(Transform):
    """A transform that is made of others."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        name = type(self).__name__
        if not isinstance(transforms, Sequence) or isinstance(transforms, str):
            raise DTypeError(must(name, "transforms", "a list of transforms", type(transforms).__name__))
        for transform in transforms:
            if not callable(transform):
                raise DTypeError(must(name, "every transform", "callable", type(transform).__name__))
        self.transforms = transforms

    def __repr__(self) -> str:
        lines = "".join(f"\n    {line}" for t in self.transforms for line in repr(t).splitlines())
        return f"{type(self).__name__}({lines}\n)"


class Compose(_Several):
    """One transform after the other.

    >>> from minidl.data import transforms
    >>> transforms.Compose([transforms.Resize(256), transforms.ToTensor()])
    Compose(
        Resize(size=256, interpolation='bilinear', max_size=None, antialias=True)
        ToTensor()
    )
    """

    @property
    def random(self) -> bool:  # type: ignore[override]
        """Whether any of its parts is."""
        return any(map(is_random, self.transforms))

    def __call__(self, img: Any) -> Any:
        fresh = False
        for transform in self.transforms:
            img = transform.overwrite(img) if fresh and isinstance(transform, Transform) else transform(img)
            fresh = getattr(transform, "fresh", False) is True
        return img


class RandomApply(_Several):
    """All of the transforms, one after the other, with probability ``p``; else none."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: float = 0.5) -> None:
        super().__init__(transforms)
        self.p = check_probability("RandomApply", p)

    def __call__(self, img: Any) -> Any:
        if current_generator().random() < self.p:
            for transform in self.transforms:
                img = transform(img)
        return img

    def __repr__(self) -> str:
        return super().__repr__()[:-1] + f"    p={self.p}\n)"


class RandomChoice(_Several):
    """One of the transforms, with probabilities in proportion to ``p``; by default each is as likely as the others."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        if not transforms or (p is not None and len(p) != len(transforms)):
            got = f"{len(transforms)} and {'none' if p is None else len(p)}"
            raise ArgumentError(must("RandomChoice", "transforms and p", "of one length, one or more", got))
        if p is not None and (min(p) < 0 or not sum(p) > 0):
            raise ArgumentError(must("RandomChoice", "p", "non-negative, and not all 0", list(p)))
        self.p = p

    def __call__(self, img: Any) -> Any:
        n = len(self.transforms)
        shares = None if self.p is None else [p / sum(self.p) for p in self.p]
        return self.transforms[int(current_generator().choice(n, p=shares))](img)

    def __repr__(self) -> str:
        return super().__repr__()[:-1] + f"    p={self.p}\n)"


class RandomOrder(_Several):
    """All of the transforms, in random order."""

    def __call__(self, img: Any) -> Any:
        for i in current_generator().permutation(len(self.transforms)).tolist():
            img = self.transforms[i](img)
        return img


class Lambda(Transform):
    """A function of your own as a transform.

    Args:
        lambd: the function, from a picture or tensor to another.
        random: False declares that it returns the same for the same argument, and that its ``repr`` changes when it
            does something else: features that were computed with it may then be cached.
    """

    def __init__(self, lambd: Callable[[Any], Any], random: bool = True) -> None:
        if not callable(lambd):
            raise DTypeError(must("Lambda", "lambd", "callable", type(lambd).__name__))
        self.lambd = lambd
        self.random = random

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return f"Lambda({getattr(self.lambd, '__qualname__', self.lambd)}, random={self.random})"


def draw_from(within: Sequence[float]) -> float:
    """A number between the two of ``within``, each as likely as the others."""
    low, high = within
    return float(current_generator().uniform(low, high))
