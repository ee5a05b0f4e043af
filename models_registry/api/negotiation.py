"""Content negotiation in linear time, as callers choose the length of these headers."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

_weight = re.compile(r"\s*q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*", re.IGNORECASE)


class ContentNegotiation(DefaultContentNegotiation):
    """Choose a renderer by weight and specificity: `text/html;q=0.1, application/json` (RFC 9110, 12.4.2 and 12.5.1).

    Nothing is parsed for the most common headers: any type, or JSON.
    """

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the renderer and its media type. Raises `NotAcceptable`."""
        renderers = list(renderers)
        first = renderers[0]
        if (request._request.META.get("HTTP_ACCEPT", "").strip() or "*/*") in {"*/*", first.media_type}:
            return first, first.media_type
        accepted = [_parse_range(each) for each in self.get_accept_list(request)]
        wanted = [_preference(renderer.media_type, accepted) for renderer in renderers]
        if not any(weight for weight, _ in wanted):
            raise NotAcceptable(available_renderers=renderers)
        best = renderers[wanted.index(max(wanted))]
        return best, best.media_type


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether an `Accept-Encoding` header allows gzip (RFC 9110, 12.5.3)."""
    weights = dict(_split_weight(each) for each in accept_encoding.lower().split(","))
    return weights.get("gzip", weights.get("*", 0)) > 0


class _Range(NamedTuple):
    """A range of media types. For a media type, the most specific range that contains it counts."""

    specificity: int
    weight: float
    media_type: str

    def contains(self, media_type: str) -> bool:
        """Return whether the range contains a media type without parameters."""
        main_type = media_type.partition("/")[0]
        return self.media_type in {media_type, f"{main_type}/*", "*/*"}


def _parse_range(accepted: str) -> _Range:
    media_type, weight = _split_weight(accepted.lower())
    name, has_parameters, _ = media_type.partition(";")
    name = name.strip()
    specificity = 0 if name == "*/*" else 1 if name.endswith("/*") else 3 if has_parameters else 2
    return _Range(specificity, weight, name)


def _split_weight(accepted: str) -> tuple[str, float]:
    """Return an element of the header without its weight, and the weight, which is 1 by default."""
    name, _, parameter = accepted.rpartition(";")
    found = _weight.fullmatch(parameter) if name else None
    return (name.strip(), float(found[1])) if found else (accepted.strip(), 1.0)


def _preference(media_type: str, accepted: list[_Range]) -> tuple[float, int]:
    """Return the weight and the specificity of the most specific range that contains a media type; 0 if none does."""
    specificity, weight, _ = max((each for each in accepted if each.contains(media_type)), default=(0, 0.0, ""))
    return weight, specificity
