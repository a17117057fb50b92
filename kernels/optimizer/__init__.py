"""Parameter updates: SGD and Adam, over all parameters at once."""
