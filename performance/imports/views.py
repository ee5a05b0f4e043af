"""Imports over HTTP."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from models_registry.accounts.scopes import Scope
from models_registry.accounts.viewsets import OrganizationScopedViewSet
from models_registry.api.errors import NotFoundError
from models_registry.api.etags import json_response
from performance.evaluations.uploads import PredictionsParser
from performance.imports.document import ImportedDocument, SourceFile
from performance.imports.errors import ImportRefusedError
from performance.imports.formats import FORMATS
from performance.imports.nodes import MAX_BYTES
from performance.imports.resolve import ImportOptions
from performance.imports.serializers import ImportInput, ImportSerializer
from performance.imports.services import import_document, read_document


class ImportParser(PredictionsParser):
    """Parses a form with one file to import."""

    advice = "Split it, or let an operator import it with the command `import`."

    @property
    def max_bytes(self) -> int:
        """The largest size of the file."""
        return min(MAX_BYTES, super().max_bytes)


class ImportViewSet(OrganizationScopedViewSet):
    """Files of other tools, whose models and metrics an organization takes over."""

    serializer_class = ImportSerializer
    parser_classes = (ImportParser,)
    scopes = {"create": Scope.ORGANIZATION_EDITOR}
    errors = {"create": (NotFoundError, ImportRefusedError)}
    input_serializers = {"create": ImportInput}

    @extend_schema(
        operation_id="import_file",
        tags=["imports"],
        summary="Import a file",
        responses={200: ImportSerializer, 201: ImportSerializer},
    )
    def create(self, request: Request, slug: str) -> HttpResponse:
        """Store the models, versions and metrics of a file that another tool wrote: all of it, or nothing.

        Importing a file again changes nothing. The response is 201 if anything was created, otherwise 200.
        """
        fields: Any = request.data
        form = dict(fields.items())  # no field is repeated
        serializer = self.get_serializer(data=form)
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        body = {**form, "file": values["file"].digest, "name": values["file"].name}
        if (first := self.stored_response(body)) is not None:
            return first
        values["file"].seek(0)
        file = SourceFile(values["file"].name, values["file"].read())
        document = read_document(file, FORMATS[values["format"]])  # may take a second: not in a transaction
        return self.run_idempotent(lambda: self._import(document, file.name, values), body=body)

    def _import(self, document: ImportedDocument, file_name: str, values: dict[str, Any]) -> HttpResponse:
        result = import_document(
            organization=self.get_organization(),
            document=document,
            file_name=file_name,
            format_name=values["format"],
            options=ImportOptions(values.get("model", ""), values.get("task_type", ""), values["dataset_split"]),
            imported_by=self.account,
            dry_run=values["dry_run"] == "true",
        )
        is_new = any(result.created.values()) and not result.dry_run
        return json_response(self.get_response_serializer(result).data, status=201 if is_new else 200)
