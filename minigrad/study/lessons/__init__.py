"""The stepper, a page that walks through forward and backward, and its own first lesson: `study.step`."""
