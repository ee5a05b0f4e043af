"""The evaluation in a confined child process."""
