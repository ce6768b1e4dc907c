"""Training as a user expects it: data in, progress on the screen, a history out.

>>> import minidl
>>> from minidl import nn
>>> x, y = minidl.randn(96, 4), minidl.arange(96) % 3
>>> model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
>>> trainer = Trainer(model, optimizer="adam", loss="cross_entropy", metrics=["accuracy"])
>>> history = trainer.fit((x, y), epochs=3, validation_data=(x, y), verbose=0)
>>> list(history.history)
['loss', 'accuracy', 'val_loss', 'val_accuracy']
>>> trainer.predict(x).labels.shape
(96,)
"""

from minidl.training import metrics
from minidl.training.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    Schedule,
    TensorBoard,
    TerminateOnNaN,
)
from minidl.training.checkpoint import Checkpoint
from minidl.training.features import FeatureCache
from minidl.training.history import History
from minidl.training.predictions import Predictions
from minidl.training.run import RunFolder
from minidl.training.trainer import Trainer

__all__ = [
    "Trainer", "History", "Predictions", "metrics", "Callback", "LambdaCallback", "EarlyStopping", "TerminateOnNaN",
    "ModelCheckpoint", "LearningRateScheduler", "ReduceLROnPlateau", "Schedule", "CSVLogger", "TensorBoard",
    "FeatureCache", "Checkpoint", "RunFolder",
]  # fmt: skip
