"""Callbacks: what a Trainer calls at each turn of a run."""

from minidl.training.callbacks.base import Callback, CallbackList, EndTraining, LambdaCallback

__all__ = ["Callback", "CallbackList", "EndTraining", "LambdaCallback"]
