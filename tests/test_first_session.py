"""The notebook of a first session, run as Jupyter runs it."""

from __future__ import annotations

import base64
import os
import warnings
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[1] / "examples" / "first_session.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook with its outputs."""
    nbformat = pytest.importorskip("nbformat", reason="reads the notebook")
    nbclient = pytest.importorskip("nbclient", reason="runs the notebook")
    pytest.importorskip("ipykernel", reason="runs the notebook")
    pytest.importorskip("matplotlib", reason="the notebook draws")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    folder = tmp_path_factory.mktemp("notebook")
    path = os.pathsep.join([str(NOTEBOOK.parents[1]), os.environ.get("PYTHONPATH", "")])
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")  # of Jupyter's own
        patch.setenv("PYTHONPATH", path)
        patch.setenv("IPYTHONDIR", str(folder))
        client = nbclient.NotebookClient(
            notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        )
        client.execute()
    return notebook


def outputs(notebook: Any, source: str) -> list[Any]:
    """What the cell whose source has ``source`` in it gave."""
    (cell,) = [c for c in notebook.cells if c.cell_type == "code" and source in c.source]
    return cell.outputs


def test_no_cell_complains(executed: Any) -> None:
    for cell in executed.cells:
        for output in cell.get("outputs", ()):
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.text


def test_the_graph_draws_itself(executed: Any) -> None:
    (shown,) = outputs(executed, "minidl.graph(")
    assert shown.data["image/svg+xml"].startswith("<svg")
    assert "‖g‖" in shown.data["image/svg+xml"]


def test_training_shows_how_it_goes(executed: Any) -> None:
    text = "".join(
        output.get("text", "") or output.get("data", {}).get("text/plain", "")
        for output in outputs(executed, "trainer.fit(")
    )
    assert "epoch 4/4" in text
    assert "val_accuracy" in text


@pytest.mark.parametrize("call", ["plot_history(history)", "plot_predictions(p", "plot_mistakes(p"])
def test_pictures_show_themselves(executed: Any, call: str) -> None:
    (shown,) = outputs(executed, call)
    assert base64.b64decode(shown.data["image/png"]).startswith(b"\x89PNG")


def test_it_has_learned(executed: Any) -> None:
    assert "multiply-adds" in outputs(executed, "minidl.summary(")[0].data["text/plain"]
    assert float(outputs(executed, "trainer.evaluate(")[0].data["text/plain"]) > 0.85


def test_it_is_kept_without_outputs() -> None:
    import json

    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]
