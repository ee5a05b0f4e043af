"""Content security policies: what a browser may load, run and send on each kind of page."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import django
from django.http import HttpRequest, HttpResponse

if TYPE_CHECKING or django.VERSION >= (6,):
    from django.middleware.csp import ContentSecurityPolicyMiddleware as CSPMiddleware
else:
    from csp.middleware import CSPMiddleware

Policy = Mapping[str, Sequence[str]]

# Pages without scripts, such as verdicts, errors, badges and files. They contain their styles.
PLAIN: Policy = {
    "default-src": ["'none'"],
    "style-src": ["'self'", "'unsafe-inline'"],
    "img-src": ["'self'", "data:"],
    "base-uri": ["'none'"],
    "form-action": ["'none'"],
    "frame-ancestors": ["'none'"],
}
# Pages with scripts from this host. They use style attributes, which no nonce can allow.
_INTERACTIVE: Policy = {
    "default-src": ["'self'"],
    "style-src": ["'self'", "'unsafe-inline'"],
    "img-src": ["'self'", "data:"],
    "object-src": ["'none'"],
    "base-uri": ["'none'"],
    "form-action": ["'self'"],
    "frame-ancestors": ["'none'"],
}
POLICIES: dict[str, Policy] = {
    # The admin's theme uses Alpine, which compiles the expressions in its HTML.
    "/admin/": {**_INTERACTIVE, "script-src": ["'self'", "'unsafe-eval'"]},
    "/api/docs": _INTERACTIVE,
    # ReDoc searches in a worker that it creates from a blob.
    "/api/redoc": {**_INTERACTIVE, "worker-src": ["blob:"]},
}


class ContentSecurityPolicyMiddleware(CSPMiddleware):
    """Add a policy to each page. `config.api_middleware` does it for the API."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Add the policy for the path of the page."""
        for prefix, policy in POLICIES.items():
            if request.path_info.startswith(prefix):
                response._csp_config = policy  # type: ignore[attr-defined]  # where both libraries' decorators put it
        return super().process_response(request, response)
