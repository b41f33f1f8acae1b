"""How good it is: likelihood, frame accuracy, musical figures, and what was copied."""
