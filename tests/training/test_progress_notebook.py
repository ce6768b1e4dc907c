"""A run in a notebook, in a real kernel."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

CODE = """
import warnings
import minidl
from minidl import nn
from minidl.training import Trainer
x, y = minidl.randn(64, 1, 2, 2), minidl.arange(64) % 3
trainer = Trainer(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)))
with warnings.catch_warnings():
    warnings.simplefilter("error")
    history = trainer.fit((x, y), epochs=2, validation_data=(x, y))
    result = trainer.evaluate((x, y))
    predictions = trainer.predict(x)
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Jupyter's own packages
def test_a_bar_in_a_notebook(tmp_path: Path) -> None:
    pytest.importorskip("ipykernel", reason="it runs notebooks")
    nbclient = pytest.importorskip("nbclient", reason="it runs notebooks")
    import nbformat

    cells = [nbformat.v4.new_code_cell(CODE), nbformat.v4.new_code_cell("print(len(history))")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs: list[Any] = notebook.cells[0].outputs
    shown = "".join(output.get("text", "") or output["data"]["text/plain"] for output in outputs)
    assert [output for output in outputs if output.get("name") == "stderr"] == []
    assert "epoch 1/2" in shown
    if (
        importlib.util.find_spec("ipywidgets") is None
    ):  # where there is, the bars are widgets, and not in the text
        assert re.search(r"epoch 2/2: 100%.*64/64 .*images/s, loss .*val_accuracy 0\.\d{4}", shown)
    assert notebook.cells[1].outputs[0].text == "2\n"
