"""Max-pooling over (N, C, H, W)."""
