"""Local response normalisation across channels (AlexNet)."""
