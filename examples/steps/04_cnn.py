"""A convolutional network: the same small filter everywhere in the picture.

A linear layer must learn each stroke anew for each place where it may be. A convolution learns a filter once and slides
it over the picture; pooling then keeps the largest response of each neighbourhood. On the digits of step 03 that makes
a fraction of the mistakes.
"""

import minidl
from minidl import nn, optim
from minidl.data import SyntheticDigits
from minidl.training import Trainer

minidl.manual_seed(0)
train = SyntheticDigits(train=True, n=10000).tensor_dataset()
test = SyntheticDigits(train=False, n=1000).tensor_dataset()

model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1),  # (N, 16, 28, 28)
    nn.ReLU(),
    nn.MaxPool2d(2),  # (N, 16, 14, 14)
    nn.Conv2d(16, 32, 3, padding=1),  # (N, 32, 14, 14)
    nn.ReLU(),
    nn.MaxPool2d(2),  # (N, 32, 7, 7)
    nn.Flatten(),
    nn.Linear(32 * 7 * 7, 10),
)
print(minidl.summary(model, (1, 28, 28)))

trainer = Trainer(
    model, optimizer=lambda p: optim.Adam(p, lr=0.003), loss="cross_entropy", metrics=["accuracy"], seed=0
)
trainer.fit(train, epochs=2, validation_data=test, batch_size=64)
print(f"accuracy {trainer.evaluate(test, verbose=0)['accuracy']:.3f}")
