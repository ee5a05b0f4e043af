"""The names that custom metrics may have."""

import re

CUSTOM_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@ -]{0,99}")
CUSTOM_NAME_IS = "1 to 100 letters, digits, spaces and any of _ . / @ -, and begins with none of the last"
