"""The proxy that compose.yaml puts in front of the service, run from Debian's package."""

import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from tests.serving import ROOT, free_port

TEMPLATE = ROOT / "deploy" / "nginx" / "nginx.conf.template"
VARIABLE = re.compile(r"\$\{(PROXY_[A-Z_]+)\}")
STARTS_WITHIN = 60


def configuration(folder: Path, *, listen: int, upstream: str, **variables: str) -> Path:
    """Return the configuration as nginx's image would write it, with its files in `folder`."""
    values = {
        "PROXY_LISTEN": f"127.0.0.1:{listen}",
        "PROXY_UPSTREAM": upstream,
        "PROXY_SPOOL": str(folder),
        "PROXY_LOG": str(folder / "access.log"),
        "PROXY_BODY_MB": "4",
        "PROXY_CONNECTIONS_PER_ADDRESS": "100",
        "PROXY_UPLOADS_PER_ADDRESS": "4",
        "PROXY_FORWARDED_PROTO": "$scheme",
        **variables,
    }
    text = VARIABLE.sub(lambda found: values[found[1]], TEMPLATE.read_text())
    file = folder / "nginx.conf"
    file.write_text(text.replace("pid /tmp/nginx.pid;", f"pid {folder}/nginx.pid;"))
    return file


@contextmanager
def proxy(nginx: str, service: str, **variables: str) -> Iterator[str]:
    """Run the proxy in front of the service at a URL while the context lasts; give its own URL."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="registry-proxy-") as name:
        folder = Path(name)
        if os.getuid() == 0:  # then nginx's workers are another user, who must write the bodies here
            folder.chmod(0o711)
        file = configuration(folder, listen=port, upstream=urlsplit(service).netloc, **variables)
        process = subprocess.Popen([nginx, "-c", str(file), "-e", "stderr", "-g", "daemon off;"])
        try:
            _wait_for(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nginx did not come up (exit status {process.poll()})")
