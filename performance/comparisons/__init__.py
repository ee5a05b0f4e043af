"""Two versions compared, example by example where possible."""
