"""The settings for tests: generated keys, a temporary PostgreSQL, and faster defaults."""

import os
import secrets
import sys
import tempfile

os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(50))
os.environ.setdefault("JWT_SIGNING_KEY", secrets.token_urlsafe(50))
os.environ.setdefault("HTTPS_ONLY", "false")
os.environ.setdefault("EMAIL_URL", "smtp://localhost:25")
os.environ.setdefault("ALLOWED_HOSTS", "testserver,localhost,127.0.0.1")
if "pytest" in sys.modules and "DATABASE_URL" not in os.environ:
    from tests.database import start_postgresql

    os.environ["DATABASE_URL"] = start_postgresql()

from config.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

DENIALS_WRITTEN_BEHIND = False  # a test sees only rows of its own transaction
MAIL_SENT_BEHIND = False

WHITENOISE_AUTOREFRESH = True  # otherwise each test client scans all static files

_files = tempfile.TemporaryDirectory(prefix="registry-files-")
STORAGES["default"]["OPTIONS"]["location"] = _files.name

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Django's default is an in-memory database, whose connections do not wait for locks.
    _folder = tempfile.TemporaryDirectory(prefix="registry-tests-")
    DATABASES["default"]["TEST"] = {"NAME": f"{_folder.name}/tests.sqlite3"}
else:
    # A test is one transaction, in which its process may be busy with something else.
    DATABASES["default"]["OPTIONS"]["options"] += " -c idle_in_transaction_session_timeout=0"
