"""A classifier: from pictures of digits to one of ten classes.

One linear layer gives each class a score; softmax makes probabilities of the scores, and the cross-entropy is small
where the true class has a large one. Trainer does the loop of the step before, in batches. The digits are drawn from a
font, so nothing is downloaded; ``minidl.data.MNIST`` has people's handwriting.
"""

import minidl
from minidl import nn
from minidl.data import SyntheticDigits
from minidl.training import Trainer

minidl.manual_seed(0)
train = SyntheticDigits(train=True, n=10000).tensor_dataset()
test = SyntheticDigits(train=False, n=1000).tensor_dataset()

model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
trainer = Trainer(model, optimizer="adam", loss="cross_entropy", metrics=["accuracy"], seed=0)
trainer.fit(train, epochs=5, validation_data=test, batch_size=64)

result = trainer.evaluate(test, verbose=0)
print(f"accuracy {result['accuracy']:.3f}; by class:")
for digit, found in result["per_class"].items():
    print(f"  {digit}: {found['accuracy']:.2f} of {found['count']}")
