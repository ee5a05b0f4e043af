"""The API's own way to its views.

Most requests are for a summary. The middleware of pages, one after the other, took a sixth of its CPU time to add the
same few headers to each response; finding the view took another tenth. Here, both are done in one step.
"""

from collections.abc import Callable

from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware

from config.content_security import ContentSecurityPolicyMiddleware
from config.header_limits import HeaderLimitMiddleware
from models_registry.api import API_PREFIX
from models_registry.api.headers import ConstantHeaders, set_unchecked
from performance.urls import most_requested

JSON_POLICY = "default-src 'none'; frame-ancestors 'none'"  # for JSON, which no browser renders

GetResponse = Callable[[HttpRequest], HttpResponse]


class APIMiddleware:
    """Lead the API's requests past the middleware after this one.

    Hosts are checked, and requests redirected to HTTPS, as by Django's middleware, and responses get the same headers.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.any_view = innermost(get_response)
        self.view = HeaderLimitMiddleware(self._call_view)
        self.security = SecurityMiddleware(self.view)
        self.content_security = ContentSecurityPolicyMiddleware(self.view)
        page_headers = {is_secure: self._page_headers(is_secure=is_secure) for is_secure in (False, True)}
        self.page_headers = {is_secure: ConstantHeaders(headers) for is_secure, headers in page_headers.items()}
        self.json_headers = {
            is_secure: ConstantHeaders({"Content-Security-Policy": JSON_POLICY, **headers})
            for is_secure, headers in page_headers.items()
        }
        self.respond: GetResponse = convert_exception_to_response(self._respond)  # type: ignore[assignment]  # is not async

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(API_PREFIX):
            return self.get_response(request)
        response = self.respond(request)
        if not response.streaming:
            set_unchecked(response, "Content-Length", str(len(response.content)))
        if response.headers.get("Content-Type", "").startswith(("text/html", "image/")):
            self.content_security.process_response(request, response)
            self.page_headers[request.is_secure()].set_defaults(response)
        else:
            self.json_headers[request.is_secure()].set_defaults(response)
        return response

    def _respond(self, request: HttpRequest) -> HttpResponse:
        """Return the response of the view. Raises `DisallowedHost`."""
        host = request.META.get("HTTP_HOST", request.META["SERVER_NAME"])
        if host == "*" or host not in settings.ALLOWED_HOSTS:
            request.get_host()  # knows ports and patterns, and takes ten times as long
        return self.security.process_request(request) or self.view(request)

    def _call_view(self, request: HttpRequest) -> HttpResponse:
        """Return the response of a view: for `most_requested` without the work of Django's resolver and handler."""
        for route in most_requested:
            if match := route.resolve(request.path_info[1:]):
                request.resolver_match = match
                response: HttpResponse = match.func(request, **match.kwargs)
                return response
        return self.any_view(request)

    def _page_headers(self, *, is_secure: bool) -> dict[str, str]:
        """Return what Django's middleware adds to the response to a request, over HTTPS or not."""
        request, response = HttpRequest(), HttpResponse()
        request.is_secure = lambda: is_secure  # type: ignore[method-assign]
        self.security.process_response(request, response)
        XFrameOptionsMiddleware(self.view).process_response(request, response)
        return {name: value for name, value in response.items() if name != "Content-Type"}


def innermost(get_response: GetResponse) -> GetResponse:
    """Return what the last middleware calls. Django's wrapper of a middleware takes over its attributes."""
    while hasattr(get_response, "get_response"):
        get_response = get_response.get_response
    return get_response
