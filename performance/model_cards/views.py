"""Model cards over HTTP."""

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from models_registry.accounts.scopes import Scope
from models_registry.api.errors import InvalidParameterError, PreconditionFailedError, UnknownParameterError
from models_registry.api.etags import not_modified_or, with_etag
from models_registry.api.fields import NamedChoicesSerializer
from models_registry.api.query import parse_query
from models_registry.api.renderers import HTMLRenderer, MarkdownRenderer
from models_registry.api.viewsets import NamedFormatMixin
from models_registry.registry.errors import ModelNotFoundError, VersionNotFoundError
from models_registry.registry.viewsets import RegistryViewSet
from performance.model_cards.renderers import RENDERERS
from performance.model_cards.selectors import model_card


class ModelCardQuerySerializer(NamedChoicesSerializer):
    """The form of a card, which otherwise follows from `Accept`."""

    format = serializers.ChoiceField(
        list(RENDERERS),
        required=False,
        help_text="The format of the response; by default the one in `Accept`, otherwise Markdown.",
    )


class ModelCardViewSet(NamedFormatMixin, RegistryViewSet):
    """What a version is and how well it does, as one page to take away."""

    http_method_names = ["get", "head"]
    renderer_classes = (MarkdownRenderer, HTMLRenderer)
    scopes = {"model_card": Scope.MODEL_READ}
    query_serializer = ModelCardQuerySerializer()
    errors = {
        "model_card": (
            UnknownParameterError,
            InvalidParameterError,
            PreconditionFailedError,
            ModelNotFoundError,
            VersionNotFoundError,
        )
    }

    def check_query(self) -> None:
        """Validate the query. Raises `UnknownParameterError` or `InvalidParameterError`."""
        parse_query(self.request, self.query_serializer)

    @extend_schema(
        operation_id="get_model_card",
        tags=["versions"],
        summary="Model card",
        parameters=[ModelCardQuerySerializer],
        responses={(200, MarkdownRenderer.media_type): str, (200, HTMLRenderer.media_type): str},
    )
    def model_card(self, request: Request, model_id: str, version_id: str) -> HttpResponse:
        """Return the version's description, newest metrics with intervals, slices, gate and parameters.

        The Markdown begins with metadata as on the Hugging Face Hub, `model-index`.
        """
        renderer = request.accepted_renderer
        text = RENDERERS[renderer.format](model_card(self.get_version()))
        response = with_etag(text.encode(), content_type=f"{renderer.media_type}; charset=utf-8")
        return not_modified_or(request, response)
