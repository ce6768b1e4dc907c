"""Pictures of training, drawn with matplotlib: ``pip install minidl[plot]``; and graphs, which need nothing."""

from minidl.viz.computation import Graph, graph
from minidl.viz.plots import plot_history, plot_reconstructions

__all__ = ["Graph", "graph", "plot_history", "plot_reconstructions"]
