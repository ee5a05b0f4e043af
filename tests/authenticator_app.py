"""An authenticator app, by RFC 6238 alone."""

import base64
import hashlib
import hmac
import time


def totp(secret: str, step: int) -> str:
    """Return the code `step` periods of 30 seconds from now."""
    counter = int(time.time() // 30 + step).to_bytes(8, "big")
    digest = hmac.digest(base64.b32decode(secret), counter, hashlib.sha1)
    number = int.from_bytes(digest[digest[-1] & 15 :][:4], "big") & 0x7FFFFFFF
    return f"{number % 10**6:06}"
