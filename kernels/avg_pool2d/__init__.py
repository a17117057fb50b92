"""Average-pooling over (N, C, H, W)."""
