"""Log-softmax and cross-entropy against class indices, in one pass."""
