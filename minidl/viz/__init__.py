"""Pictures of training, drawn with matplotlib: ``pip install minidl[plot]``; and graphs, which need nothing."""

from minidl.viz.computation import Graph, graph
from minidl.viz.inside import grad_cam, plot_feature_maps, plot_filters, plot_grad_cam
from minidl.viz.judging import plot_confusion_matrix, plot_mistakes, plot_predictions
from minidl.viz.page import report
from minidl.viz.plots import plot_history, plot_reconstructions

__all__ = [
    "Graph", "graph", "plot_history", "plot_reconstructions",
    "plot_predictions", "plot_mistakes", "plot_confusion_matrix",
    "plot_filters", "plot_feature_maps", "plot_grad_cam", "grad_cam",
    "report",
]  # fmt: skip
