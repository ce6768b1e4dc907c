"""Callbacks: what a Trainer calls at each turn of a run."""

from minidl.training.callbacks.base import Callback, CallbackList, EndTraining, LambdaCallback
from minidl.training.callbacks.logs import CSVLogger, TensorBoard
from minidl.training.callbacks.rates import LearningRateScheduler, ReduceLROnPlateau, Schedule
from minidl.training.callbacks.saving import ModelCheckpoint
from minidl.training.callbacks.stopping import EarlyStopping, TerminateOnNaN

__all__ = [
    "Callback", "LambdaCallback", "EarlyStopping", "TerminateOnNaN", "ModelCheckpoint", "LearningRateScheduler",
    "ReduceLROnPlateau", "Schedule", "CSVLogger", "TensorBoard", "CallbackList", "EndTraining",
]  # fmt: skip
