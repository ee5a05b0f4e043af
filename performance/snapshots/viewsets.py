"""The base class of viewsets that read performance."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework import serializers

from models_registry.api.query import parse_query
from models_registry.api.viewsets import APIViewSet
from performance.snapshots import selectors
from performance.snapshots.permissions import CanReadPerformance
from performance.snapshots.selectors import SnapshotLookup
from performance.snapshots.serializers import ByTaskType, SerializerClass, shared_serializer

VERSION_QUERY = ("dataset_split", "dataset", "version_id")  # the query parameters that name a snapshot


class PerformanceReadViewSet(APIViewSet):
    """The base of reads of how well a version of a model does on one split. They never evaluate a model.

    A subclass names the serializers of each action: of its query, and of its response.
    """

    permission_classes = (CanReadPerformance,)
    http_method_names = ["get", "head"]
    filter_backends = ()
    query_serializers: ClassVar[Mapping[str, serializers.Serializer[Any]]] = {}
    response_serializers: ClassVar[Mapping[str, ByTaskType | SerializerClass]] = {}
    query: dict[str, Any]
    task_type: str

    def check_account(self) -> None:
        """Do nothing: the statement that reads performance checks the account as well."""

    def check_query(self) -> None:
        """Validate the query. Raises `UnknownParameterError` or `InvalidParameterError`."""
        if self.action in self.query_serializers:
            self.query = parse_query(self.request, self.query_serializers[self.action], self.check_format())

    def look_up(self, model_id: str, **query: Any) -> SnapshotLookup:
        """Return what the database holds of a model, if the caller may read it."""
        lookup = selectors.read_performance(
            caller=self.request.user,  # type: ignore[arg-type]  # BearerAuthentication's caller
            model_id=model_id,
            **query,
        )
        self.check_object_permissions(self.request, lookup)
        self.task_type = lookup.task_type
        return lookup

    def get_serializer_class(self) -> SerializerClass:
        """Return the serializer of the action's response, which may depend on the model's task type."""
        serializer = self.response_serializers[self.action]
        return serializer[self.task_type] if isinstance(serializer, ByTaskType) else serializer

    def serialize(self, record: object) -> dict[str, Any]:
        """Return a record as the action's serializer represents it."""
        return shared_serializer(self.get_serializer_class()).to_representation(record)
