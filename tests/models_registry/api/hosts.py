"""A host of a name, URLs that must be refused, and requests to hosts."""

from models_registry.api.http_client import Response, post

HOST = "hooks.example.com"
HOSTILE_URLS = [
    *("", "x", "//example.com", "example.com", "http://example.com", "ftp://example.com", "file:///etc/passwd"),
    *("javascript:alert(1)", "gopher://example.com", "https:", "https://", "https:///hook", "https://?x", "https:hook"),
    *("https://user:secret@example.com", "https://user@example.com", "https://@example.com", "https://a@b@example.com"),
    *("https://example.com#x", "https://example.com/#", "https://example.com:80", "https://example.com:8443/hook"),
    *("https://example.com:22", "https://example.com:0", "https://example.com:99999", "https://example.com:x"),
    *("https://example.com:-1", "https://localhost", "https://localhost.", "https://LOCALHOST", "https://a.localhost"),
    *("https://registry", "https://printer.local", "https://metadata.google.internal", "https://127.0.0.1"),
    *("https://127.0.0.1.", "https://127.1", "https://127.0.1", "https://2130706433", "https://0x7f000001"),
    *("https://0x7f.0.0.1", "https://0177.0.0.1", "https://00000177.1", "https://1.1.1.0x1", "https://example.0x"),
    *("https://0", "https://0.0.0.0", "https://10.0.0.1", "https://169.254.169.254/latest/meta-data"),
    *("https://[::1]", "https://[::]", "https://[::ffff:127.0.0.1]", "https://[::ffff:7f00:1]", "https://[::1%25lo]"),
    *("https://[64:ff9b::10.0.0.1]", "https://[2002:7f00:1::]", "https://[fe80::1]", "https://[::1", "https://::1"),
    *("https://[v1.x]", "https://[example.com]", "https://%31%32%37.0.0.1", "https://example%2ecom", "https://a..b"),
    *("https://.example.com", "https://-a.example.com", "https://exam ple.com", "https://example.com/a b"),
    *("https://example.com/\n", "https://exa\tmple.com", "https://example.com\x00", "https:\\\\example.com"),
    *(
        "https://example.com\\@127.0.0.1",
        "https://127.0.0.1\\.example.com",
        "https://exämple.com",
        "https://１２７.0.0.1",
    ),
    *("https://127。0。0。1", "https://ⓛocalhost", "https://example.com/ä", "https://\ud800.com"),
    *(
        f"https://{'a' * 64}.com",
        f"https://{'a.' * 130}com",
        f"https://example.com/{'a' * 2000}",
        " https://example.com",
    ),
    *("https://example.com,127.0.0.1", "https://example.com;@127.0.0.1", "https://{}.com", "https://example.com|x"),
]


def send(url: str, *trusted: str, **headers: str) -> Response:
    """Post a body to a URL."""
    return post(url, b'{"a": 1}', headers, trusted_hosts=trusted)
