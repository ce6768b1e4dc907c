"""Random numbers: the same from the same seed, in any order, on any machine; and distributed as they should be."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import minidl
from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.random import stream

DRAWS = {
    "rand": lambda g: minidl.rand(3, 4, generator=g),
    "randn": lambda g: minidl.randn(3, 4, generator=g),
    "randint": lambda g: minidl.randint(0, 100, (20,), generator=g),
    "randperm": lambda g: minidl.randperm(20, generator=g),
}


@pytest.mark.parametrize("name", DRAWS)
def test_the_same_seed_gives_the_same_numbers(name: str) -> None:
    draw = DRAWS[name]
    minidl.manual_seed(7)
    first, second = draw(None).tolist(), draw(None).tolist()
    minidl.manual_seed(7)
    assert draw(None).tolist() == first
    assert second != first
    minidl.manual_seed(8)
    assert draw(None).tolist() != first


@pytest.mark.parametrize("name", DRAWS)
def test_a_generator_of_ones_own(name: str) -> None:
    draw = DRAWS[name]
    generator = minidl.Generator().manual_seed(7)
    minidl.manual_seed(3)
    before = draw(None).tolist()
    minidl.manual_seed(3)
    own = draw(generator).tolist()
    assert draw(None).tolist() == before  # the default generator was not touched
    assert draw(minidl.Generator().manual_seed(7)).tolist() == own


def test_the_numbers_of_a_seed_are_fixed() -> None:
    """Philox with NumPy's SeedSequence: NumPy promises both streams; what is built on them must not change either."""
    expected = np.random.Generator(np.random.Philox(np.random.SeedSequence([7]))).standard_normal(
        3, np.float32
    )
    minidl.manual_seed(7)
    assert minidl.randn(3).tolist() == expected.tolist()
    stream_of_sample = np.random.Generator(np.random.Philox(np.random.SeedSequence(1, spawn_key=[2, 3])))
    assert stream(1, 2, 3).random() == stream_of_sample.random()


def test_streams_are_independent_of_order() -> None:
    one = [stream(0, 1, i).random() for i in range(5)]
    other = [stream(0, 1, i).random() for i in reversed(range(5))][::-1]
    assert one == other
    assert (
        len(
            {
                *one,
                stream(0, 1).random(),
                stream(0).random(),
                stream(0, 2, 0).random(),
                stream(1, 1, 0).random(),
            }
        )
        == 9
    )


def test_state_can_be_saved_and_restored() -> None:
    generator = minidl.Generator().manual_seed(5)
    minidl.rand(7, generator=generator)
    minidl.randn(3, generator=generator)  # leaves half a number in Philox's buffer
    state = generator.get_state()
    expected = [minidl.rand(3, generator=generator).tolist() for _ in range(3)]
    restored = minidl.Generator().set_state(state)
    assert [minidl.rand(3, generator=restored).tolist() for _ in range(3)] == expected
    assert restored.initial_seed() == 5


def test_a_saved_state_does_not_move_on_with_its_generator() -> None:
    generator = minidl.Generator().manual_seed(5)
    state = generator.get_state()
    expected = minidl.rand(50, generator=generator).tolist()
    assert minidl.rand(50, generator=generator.set_state(state)).tolist() == expected


def test_the_default_generators_state() -> None:
    minidl.manual_seed(3)
    minidl.rand(3)
    state = minidl.get_rng_state()
    assert (type(state), state.dtype, state.ndim) == (minidl.Tensor, minidl.uint8, 1)
    kept = state.tolist()
    expected = minidl.randn(4).tolist(), minidl.randperm(9).tolist(), minidl.initial_seed()
    assert state.tolist() == kept
    for same in (state, state.cpu(), state.clone(), minidl.random.get_rng_state().new_tensor(kept)):
        minidl.set_rng_state(same)
        assert (minidl.randn(4).tolist(), minidl.randperm(9).tolist(), minidl.initial_seed()) == expected
    fresh = minidl.seed()
    assert minidl.initial_seed() == fresh == minidl.random.initial_seed()


@pytest.mark.parametrize(
    ("state", "kind", "message"),
    [
        ([1, 2], DTypeError, "set_state: new_state must be a uint8 Tensor, as get_state returns, got list"),
        (minidl.zeros(3), DTypeError, "set_state: new_state must be a uint8 Tensor, as get_state returns, got float32"),
        (minidl.tensor([1], dtype=minidl.uint8), ShapeError,
         r"set_state: new_state must be of shape \(112,\), got \(1,\)"),
        (minidl.full((112,), 255, dtype=minidl.uint8), ArgumentError,
         "set_state: new_state must be what get_state returned, got other bytes"),
    ],
)  # fmt: skip
def test_what_is_no_state(state: Any, kind: type[Exception], message: str) -> None:
    minidl.manual_seed(2)
    first = minidl.rand(2).tolist()
    minidl.manual_seed(2)
    with pytest.raises(kind, match=message):
        minidl.set_rng_state(state)
    assert minidl.rand(2).tolist() == first


def test_a_forked_generator_leaves_no_trace() -> None:
    minidl.manual_seed(5)
    expected = minidl.rand(3).tolist()
    minidl.manual_seed(5)
    with minidl.random.fork_rng():
        minidl.manual_seed(9)
        minidl.rand(7)
    with pytest.raises(TypeError), minidl.random.fork_rng():
        minidl.rand(4).backward(1, 2, 3, 4, 5)
    assert minidl.rand(3).tolist() == expected
    with minidl.random.fork_rng(enabled=False):
        minidl.manual_seed(5)
    assert minidl.rand(3).tolist() == expected
    with (
        pytest.raises(
            ArgumentError, match=r"fork_rng: devices must be empty, as there is only the CPU, got \[0\]"
        ),
        minidl.random.fork_rng([0]),
    ):
        pass


def test_pytorchs_lines_about_generators_run_as_they_are() -> None:
    """The same program in both libraries: each repeats its own numbers."""
    torch = pytest.importorskip("torch")
    for library in (minidl, torch):
        generator = library.Generator(device="cpu").manual_seed(1)
        assert generator.device == library.device("cpu")
        assert generator.initial_seed() == 1
        first = library.randn(3, generator=generator)
        state = generator.get_state()
        second = library.randn(3, generator=generator)
        assert library.equal(library.randn(3, generator=library.Generator().manual_seed(1)), first)
        assert library.equal(library.randn(3, generator=library.Generator().set_state(state)), second)
        checkpoint = {"rng": library.get_rng_state()}
        value = library.rand(2)
        library.set_rng_state(checkpoint["rng"].cpu().to("cpu").type(library.uint8))
        assert library.equal(library.rand(2), value)
        with library.random.fork_rng(devices=[], enabled=True):
            library.random.manual_seed(0)
        library.cuda.manual_seed(0)
        library.cuda.manual_seed_all(0)
        assert isinstance(library.random.seed(), int)


def test_seeds() -> None:
    generator = minidl.Generator()
    assert generator.initial_seed() == 0
    assert generator.manual_seed(-1).initial_seed() == 2**64 - 1
    fresh = generator.seed()
    assert generator.initial_seed() == fresh
    minidl.manual_seed(12)
    assert minidl.initial_seed() == 12
    assert minidl.default_generator.initial_seed() == 12


def test_without_a_seed_each_process_draws_its_own_numbers() -> None:
    code = "import minidl; print(minidl.rand(3).tolist())"
    drawn = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)
    }
    assert len(drawn) == 2


@pytest.mark.parametrize("seed", [1.5, "1", True, None])
def test_a_seed_must_be_an_int(seed: Any) -> None:
    with pytest.raises(DTypeError, match="manual_seed: seed must be an int, got"):
        minidl.manual_seed(seed)


def test_a_seed_has_64_bits() -> None:
    with pytest.raises(ArgumentError, match=r"manual_seed: seed must be in \[-2\*\*63, 2\*\*64\), got"):
        minidl.manual_seed(2**64)


def test_only_the_cpu() -> None:
    with pytest.raises(ArgumentError, match="Generator: device must be 'cpu', got 'cuda'"):
        minidl.Generator("cuda")


@pytest.mark.parametrize("dtype", [minidl.float16, minidl.float32, minidl.float64])
def test_distributions(dtype: Any) -> None:
    """Means and variances of 200,000 numbers, within five standard errors; float16 is rounded."""
    n = 200_000
    uniform = minidl.rand(n, dtype=dtype).array.astype(np.float64)
    assert uniform.min() >= 0
    assert uniform.max() < 1 if dtype != minidl.float16 else uniform.max() <= 1
    assert abs(uniform.mean() - 0.5) < 5 * np.sqrt(1 / 12 / n)
    normal = minidl.randn(n, dtype=dtype).array.astype(np.float64)
    assert abs(normal.mean()) < 5 / np.sqrt(n)
    assert abs(normal.var() - 1) < 5 * np.sqrt(2 / n)
    assert abs((np.abs(normal) < 1).mean() - 0.6826895) < 5 * np.sqrt(0.68 * 0.32 / n)


def test_integers_and_permutations() -> None:
    drawn = minidl.randint(-2, 3, (10_000,))
    assert drawn.dtype == minidl.int64
    assert sorted(set(drawn.tolist())) == [-2, -1, 0, 1, 2]
    counts = np.bincount(drawn.array + 2)
    assert (np.abs(counts - 2000) < 5 * np.sqrt(1600)).all()
    assert sorted(minidl.randperm(50).tolist()) == list(range(50))
    assert minidl.randperm(0).shape == (0,)
    assert minidl.randint(5, (2, 3)).shape == (2, 3)
    assert minidl.randint(0, 2, (4,), dtype=minidl.float32).dtype == minidl.float32


def test_errors_of_random_tensors() -> None:
    with pytest.raises(DTypeError, match="rand: dtype must be floating, got int64"):
        minidl.rand(2, dtype=minidl.int64)
    with pytest.raises(ArgumentError, match="randint: high must be above low = 3, got 3"):
        minidl.randint(3, 3, (2,))
    with pytest.raises(
        DTypeError, match=r"randint: the arguments must be \(high, size\) or \(low, high, size\)"
    ):
        minidl.randint(3)
    with pytest.raises(ArgumentError, match="randperm: n must be not negative, got -1"):
        minidl.randperm(-1)


def test_like_forms() -> None:
    x = minidl.zeros(2, 3, dtype=minidl.float64)
    for y in (minidl.rand_like(x), minidl.randn_like(x)):
        assert (y.shape, y.dtype) == ((2, 3), minidl.float64)
    assert minidl.rand_like(x, dtype=minidl.float32).dtype == minidl.float32
    assert minidl.randn_like(x, requires_grad=True).requires_grad
