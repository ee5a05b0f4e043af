"""Datasets over HTTP."""

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view

from models_registry.accounts.scopes import Scope
from models_registry.accounts.viewsets import OrganizationScopedViewSet
from models_registry.api.errors import NotFoundError
from models_registry.api.viewsets import (
    AnySerializer,
    CreateModelMixin,
    ListModelMixin,
)
from performance.snapshots.dataset_serializers import DatasetSerializer, NewDatasetInput
from performance.snapshots.datasets import create_dataset
from performance.snapshots.models import Dataset, DatasetVersion

MAX_LISTED_VERSIONS = 20  # of a dataset


@extend_schema_view(
    list=extend_schema(
        operation_id="list_datasets",
        tags=["datasets"],
        summary="List datasets",
        description=(
            "Return the datasets of an organization by name, each with the newest versions and digests that snapshots "
            f"of the organization's models have named, at most {MAX_LISTED_VERSIONS}."
        ),
    ),
    create=extend_schema(
        operation_id="create_dataset",
        tags=["datasets"],
        summary="Declare a dataset",
        description="Declare a dataset. A snapshot that names a new dataset declares it too, without a description.",
    ),
)
class DatasetViewSet(ListModelMixin, CreateModelMixin, OrganizationScopedViewSet):
    """The datasets that an organization evaluates its models on."""

    queryset = Dataset.objects.prefetch_related(
        Prefetch("versions", DatasetVersion.objects.order_by("-pk")[:MAX_LISTED_VERSIONS], to_attr="newest_versions")
    )
    serializer_class = DatasetSerializer
    ordering = ("name",)
    large_columns = ("description",)
    scopes = {"list": Scope.ORGANIZATION_VIEWER, "create": Scope.ORGANIZATION_EDITOR}
    errors = (NotFoundError,)
    input_serializers = {"create": NewDatasetInput}

    def get_queryset(self) -> QuerySet[Dataset]:
        """Return the datasets of the organization that the URL names."""
        return super().get_queryset().filter(organization=self.get_organization())

    def perform_create(self, serializer: AnySerializer) -> None:
        organization = self.get_organization(lock=True)
        stored = create_dataset(organization=organization, created_by=self.account, **serializer.validated_data)
        serializer.instance = super().get_queryset().get(pk=stored.pk)  # with its versions
