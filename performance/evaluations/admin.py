"""Evaluations in the admin, read-only: the state of the queue, and why an evaluation failed."""

from typing import cast

from django.contrib import admin
from django.db.models import Model, Prefetch, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from models_registry.api.autocomplete import is_valid_pk
from models_registry.api.model_admin import ReadOnlyAdminMixin, badge, link_to, nowrap
from models_registry.registry.model_admin import VersionRecordAdmin
from performance.evaluations.models import EvaluationJob
from performance.evaluations.querysets import EvaluationQuerySet
from performance.jobs.admin import STATE_COLORS
from performance.snapshots.models import MetricSnapshot

NO_WORKER = "No worker is alive. It waits until an operator starts one: manage.py worker."


@admin.register(EvaluationJob)
class EvaluationAdmin(ReadOnlyAdminMixin, VersionRecordAdmin):
    """Evaluations, newest first."""

    list_display = (
        "created_at",
        "model_link",
        "version_name",
        "dataset_split",
        "status",
        "done",
        "requested_by",
        "reason",
    )
    list_filter = (
        ("version__model__organization", AutocompleteSelectFilter),
        ("state", ChoicesDropdownFilter),
        ("dataset_split", ChoicesDropdownFilter),
    )
    search_help_text = f"By id of the evaluation. {VersionRecordAdmin.search_help_text}"
    ordering = ("-created_at", "pk")
    fields = (
        ("id", "status"),
        ("model_link", "version"),
        ("dataset_split", "requested_by"),
        ("created_at", "started_at", "finished_at"),
        ("done", "attempts"),
        ("snapshot", "reason"),
        ("columns", "options"),
        "digest",
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Model], search_term: str
    ) -> tuple[QuerySet[Model], bool]:
        """Search by the whole id of an evaluation too."""
        if is_valid_pk(EvaluationJob, search_term.strip()):
            return queryset.filter(pk=search_term.strip()), False
        return super().get_search_results(request, queryset, search_term)

    def get_queryset(self, request: HttpRequest) -> QuerySet[EvaluationJob]:
        """Return the evaluations with their versions, models, requesting users and snapshots.

        The snapshots are read by themselves: PostgreSQL would join all of them, before it knows which are needed.
        """
        jobs = cast(EvaluationQuerySet, super().get_queryset(request)).with_worker()
        snapshots = Prefetch("snapshot", MetricSnapshot.objects.select_related("version__model"))
        return jobs.select_related("version__model__organization", "requested_by").prefetch_related(snapshots)

    @admin.display(description="model", ordering="version__model__name")
    def model_link(self, job: EvaluationJob) -> str:
        """Return a link to the model."""
        return link_to(job.version.model)

    @admin.display(description="version", ordering="version__number")
    def version_name(self, job: EvaluationJob) -> str:
        """Return the version's public id."""
        return nowrap(job.version.version_id)

    @admin.display(description="state", ordering="state")
    def status(self, job: EvaluationJob) -> str:
        """Return the state as a badge."""
        return badge(job.state, STATE_COLORS[job.state])

    @admin.display(description="progress", ordering="progress")
    def done(self, job: EvaluationJob) -> str:
        """Return the progress in percent."""
        return f"{job.progress:.0%}"

    @admin.display(description="problem", empty_value="")
    def reason(self, job: EvaluationJob) -> str:
        """Return why the evaluation failed, or why a queued one does not begin."""
        if getattr(job, "worker_alive", None) is False:
            return NO_WORKER
        problem: dict[str, str] = job.problem or {}
        return problem.get("detail", "")
