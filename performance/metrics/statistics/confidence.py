"""The level of all confidence intervals."""

CONFIDENCE_LEVEL = 0.95
