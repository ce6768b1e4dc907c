"""Weight files: arrays by name, in and out. Knows no model and no Tensor."""
