"""Gates: policies in, verdicts out."""
