"""One operation or layer explained: formula, shapes, source, papers, and its gradient checked: `study.explain`."""
