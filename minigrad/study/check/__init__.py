"""What is wrong with a training step: `study.check`."""
