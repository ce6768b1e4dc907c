"""An autoencoder: learning without labels.

The network has to give back the picture that it was given, but it must first squeeze it into 16 numbers. To do that it
has to find out what pictures of digits have in common. Nobody tells it which digit it sees.
"""

import minidl
from minidl.data import SyntheticDigits
from minidl.models import Autoencoder
from minidl.nn import functional as F
from minidl.training import Trainer

SHADES = " .:-=+*#%@"

minidl.manual_seed(0)
images = SyntheticDigits(train=True, n=4000).tensor_dataset().tensors[0]
model = Autoencoder(784, code=16, hidden=[128])
trainer = Trainer(model, loss=F.binary_cross_entropy, metrics=[], seed=0)
trainer.fit((images, images), epochs=8, batch_size=64)

with minidl.no_grad():
    pairs = minidl.stack([images[:3], model(images[:3])], 1)  # (3, 2, 1, 28, 28)
print("what went in, and what came out of 16 numbers:")
for picture, restored in pairs.squeeze(2).tolist():
    for above, below in zip(picture[4:24:2], restored[4:24:2], strict=True):
        print("  ".join("".join(SHADES[min(int(10 * v), 9)] for v in row[4:24]) for row in (above, below)))
