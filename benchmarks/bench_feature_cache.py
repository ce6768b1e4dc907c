"""A batch of kept features, and a pass of the loader over them. ``pytest benchmarks --benchmark-only``

What an epoch takes beside the head's work is measured by ``python -m benchmarks.feature_cache``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.feature_cache import images, main, network
from minidl.data import DataLoader
from minidl.training import FeatureCache


@pytest.mark.parametrize("limit", [0, 1 << 30], ids=["file", "memory"])
def test_pass_over_features(benchmark: Callable, limit: int, tmp_path: Path) -> None:
    loader = DataLoader(images(64), 32, shuffle=True, seed=0)
    applied = FeatureCache(limit=limit, folder=tmp_path).apply(network(units=4), loader)
    benchmark.group = "64 samples of 25,088 features"
    assert benchmark(lambda: sum(x.numel() for x, _ in applied.loader)) == 64 * 25088


def test_the_comparison_runs(benchmark: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark.pedantic(main, args=(64, 32, 32, 2, None, False), rounds=1)
    assert "a later epoch takes" in capsys.readouterr().out
