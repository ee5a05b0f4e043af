"""Responses with a strong ETag, and the requests that name one (RFC 9110, section 13)."""

from hashlib import md5

from django.http import HttpResponse, HttpResponseNotModified
from django.utils.http import parse_etags
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from models_registry.api.errors import PreconditionFailedError
from models_registry.api.headers import UncheckedResponse, set_unchecked

PIECE_SIZE = 8_000  # values, which take at most some 5 ms to encode

_CONTAINERS = (dict, list)  # a union takes longer to check
_renderer = JSONRenderer()
# As `JSONRenderer` does, which creates an encoder each time.
_encode = _renderer.encoder_class(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def conditional_json_response(request: Request, data: object) -> HttpResponse:
    """Return `data` as JSON with its ETag, or 304 if `If-None-Match` names it.

    Raises `PreconditionFailedError` if `If-Match` names another.
    """
    body = encode_json(data)
    etag = etag_of(body)
    return _not_modified(request, etag) or _response(body, etag, _renderer.media_type)


def not_modified_or(request: Request, response: HttpResponse) -> HttpResponse:
    """Return a response that has an ETag, or 304 if `If-None-Match` names it.

    Raises `PreconditionFailedError` if `If-Match` names another.
    """
    return _not_modified(request, response["ETag"]) or response


def json_response(data: object, *, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    """Return `data` as JSON with its ETag."""
    return with_etag(encode_json(data), content_type=_renderer.media_type, status=status, headers=headers)


def large_json_response(data: object) -> HttpResponse:
    """Return `data`, which may be large, as JSON with its ETag.

    The encoder lets no other thread run until it returns. So large data is encoded in pieces.
    """
    return with_etag(_escape_separators(_encode_in_pieces(data)).encode(), content_type=_renderer.media_type)


def encode_json(data: object) -> bytes:
    """Return strict JSON. Raises `ValueError` for a number that is not finite."""
    return _escape_separators(_encode(data)).encode()


def _escape_separators(text: str) -> str:
    """Return JSON in which the line separators are escaped that JavaScript would not take."""
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _encode_in_pieces(data: object) -> str:
    """Return JSON as `_encode` does. Lists and objects of more than `PIECE_SIZE` values are encoded item by item."""
    if isinstance(data, _CONTAINERS) and _count_values(data) > PIECE_SIZE:
        if isinstance(data, dict):
            members = [f"{_encode(name)}:{_encode_in_pieces(value)}" for name, value in data.items()]
            return f"{{{','.join(members)}}}"
        return f"[{','.join(map(_encode_in_pieces, data))}]"
    text: str = _encode(data)
    return text


def _count_values(data: object) -> int:
    """Return about how many values are in a document. The items of a list are alike, so the first stands for all."""
    if isinstance(data, list):
        return len(data) * _count_values(data[0]) if data else 1
    if isinstance(data, dict):
        return len(data) + sum([_count_values(value) for value in data.values() if isinstance(value, _CONTAINERS)])
    return 1


def with_etag(
    body: bytes, *, content_type: str, status: int = 200, headers: dict[str, str] | None = None
) -> HttpResponse:
    """Return a body with its ETag."""
    return _response(body, etag_of(body), content_type, status, headers)


def _response(
    body: bytes, etag: str, content_type: str, status: int = 200, headers: dict[str, str] | None = None
) -> HttpResponse:
    response = UncheckedResponse(body, status=status, content_type=content_type, headers=headers)
    if not headers or "ETag" not in headers:
        set_unchecked(response, "ETag", etag)
    return response


def etag_of(body: bytes) -> str:
    """Return the ETag of a body."""
    return f'"{md5(body, usedforsecurity=False).hexdigest()}"'


def refuse_lost_update(request: Request, data: object) -> None:
    """Raise `PreconditionFailedError` if `If-Match` names another state than `data`, the present one."""
    if_match = request._request.META.get("HTTP_IF_MATCH")
    if if_match is not None:
        _check_if_match(if_match, json_response(data)["ETag"])


def _not_modified(request: Request, etag: str) -> HttpResponse | None:
    """Return a 304 response if `If-None-Match` names the ETag, otherwise `None`."""
    headers = request._request.META
    if "HTTP_IF_MATCH" in headers:
        _check_if_match(headers["HTTP_IF_MATCH"], etag)
    if "HTTP_IF_NONE_MATCH" in headers and _is_known(headers["HTTP_IF_NONE_MATCH"], etag):
        return HttpResponseNotModified(headers={"ETag": etag})
    return None


def _check_if_match(if_match: str, etag: str) -> None:
    """Refuse a header that does not name the ETag, also a malformed one, which `get_conditional_response` ignores."""
    if parse_etags(if_match) != ["*"] and etag not in parse_etags(if_match):
        raise PreconditionFailedError(f"If-Match does not name the present state, {etag}. Read it again first.")


def _is_known(if_none_match: str, etag: str) -> bool:
    if if_none_match == etag:
        return True
    tags = parse_etags(if_none_match)
    return tags == ["*"] or etag in {tag.removeprefix("W/") for tag in tags}
