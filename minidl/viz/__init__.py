"""Pictures of training, drawn with matplotlib: ``pip install minidl[plot]``."""

from minidl.viz.plots import plot_history, plot_reconstructions

__all__ = ["plot_history", "plot_reconstructions"]
