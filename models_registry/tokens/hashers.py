"""Limited password hashing. One hash costs a third of a second of CPU, and anybody can trigger it by a login."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher

from models_registry.api.capacity import Capacity

HASHING_THREADS = 1  # of each process

_hashing = Capacity(
    HASHING_THREADS, "The service is busy checking passwords. Try again after the seconds that Retry-After gives."
)


class BoundedPasswordHasher(PBKDF2PasswordHasher):
    """Django's default hasher, in at most `HASHING_THREADS` threads of a process at a time.

    Every check and every change of a password uses it, and so does the dummy hash for an unknown user name.
    """

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """Return the encoded hash. Raises `BusyError` if too many threads are hashing."""
        with _hashing.claim():
            return super().encode(password, salt, iterations)
