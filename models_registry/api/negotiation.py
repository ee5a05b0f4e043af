"""Which form an answer takes."""

import re
from collections.abc import Mapping
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.utils.mediatypes import media_type_matches, order_by_precedence

_weight = re.compile(r"\s*;\s*q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*$", re.IGNORECASE)


class Negotiation(DefaultContentNegotiation):
    """Negotiates as the framework does, and heeds weights: `text/html;q=0.1, application/json` (RFC 9110, 12.4.2).

    Nothing is parsed for what nearly every caller accepts: anything, or JSON.
    """

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        """Return the renderer and its media type. Raises `NotAcceptable`."""
        first = renderers[0]
        if (request.META.get("HTTP_ACCEPT", "").strip() or "*/*") in {"*/*", first.media_type}:
            return first, first.media_type
        weights = dict(map(_weighed, self.get_accept_list(request)))
        wanted = [_wanted(renderer.media_type, weights) for renderer in renderers]
        best = [each for each, weight in zip(renderers, wanted, strict=True) if 0 < weight == max(wanted)]
        return super().select_renderer(request, best, format_suffix)


def _weighed(accepted: str) -> tuple[str, float]:
    """Return a range of media types, and its weight."""
    found = _weight.search(accepted)
    return (accepted[: found.start()], float(found[1])) if found else (accepted, 1.0)


def _wanted(media_type: str, weights: Mapping[str, float]) -> float:
    """Return the weight of the most specific of the ranges that hold a media type; 0 when none does."""
    matching = order_by_precedence([each for each in weights if media_type_matches(media_type, each)])
    return max(weights[each] for each in matching[0]) if matching else 0
