"""Gates: a policy and what was measured go in, a verdict comes out. Pure Python.

A gate fails closed: what is missing, not finite, or without the interval that a rule asks for, does not pass.
"""
