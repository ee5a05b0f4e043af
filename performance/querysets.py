"""Metric snapshots, jobs as a queue, and webhooks, as queryset methods."""

from datetime import timedelta
from typing import Any, Self

from django.db import IntegrityError, models, transaction
from django.db.models import Count, Exists, F, Func, OuterRef, Q, Subquery, Value
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Cast, Coalesce, Now
from django.utils import timezone


class Clock(Now):
    """The database's clock, by which leases run: those of machines may differ by more than a lease.

    SQLite's is that of its one machine, and more exact when that is asked here.
    """

    def as_sqlite(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        """Return the SQL of this moment."""
        return compiler.compile(Value(timezone.now(), output_field=self.output_field))


class MatrixRows(Func):
    """The rows of a confusion matrix from an offset on, as JSON: as many as have so many cells, at least one."""

    output_field = models.JSONField()

    def __init__(self, matrix: str, offset: int, max_cells: int) -> None:
        super().__init__(F(matrix), Value(offset, models.IntegerField()), Value(max_cells, models.IntegerField()))

    def as_postgresql(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        """Return the SQL that takes them from JSONB."""
        (matrix, _), (offset, [first]), (most, [cells]) = map(compiler.compile, self.source_expressions)
        rows = f"GREATEST({most} / NULLIF(jsonb_array_length({matrix} -> 'labels'), 0), 1)"
        names = f"jsonb_build_object('first', {offset}, 'last', {offset} + {rows} - 1)"
        sql = f"jsonb_path_query_array({matrix}, '$.counts[$first to $last]', {names})"
        return sql, [first, first, cells]

    def as_sqlite(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        """Return the SQL that takes them from the JSON text."""
        (matrix, _), (offset, [first]), (most, [cells]) = map(compiler.compile, self.source_expressions)
        rows = f"MAX({most} / json_array_length({matrix}, '$.labels'), 1)"
        counts = f"json_each({matrix}, '$.counts') WHERE key >= {offset} AND key < {offset} + {rows}"
        return f"(SELECT json_group_array(json(value)) FROM {counts})", [first, first, cells]  # noqa: S608


class MetricSnapshotQuerySet(models.QuerySet[Any]):
    """Metric snapshots."""

    def newest_first(self) -> Self:
        """Order so that the snapshot that answers for its version and split comes first."""
        return self.order_by("-evaluated_at", "-id")

    def of(self, model_id: str, dataset_split: str, number: int | None = None) -> Self:
        """Keep the snapshots of one split of a model's completed versions, or of the version of this number."""
        snapshots = self.filter(version__model=model_id, version__state="completed", dataset_split=dataset_split)
        return snapshots if number is None else snapshots.filter(version__number=number)

    def recording(self, metric: str, column: str) -> Self:
        """Keep the snapshots that have a metric in a column."""
        return self.filter(**{f"{column}__has_key": metric})

    def slim(self) -> Self:
        """Leave out what of a snapshot's detail may be large, and few readers want."""
        return self.defer("detail__confusion_matrix", "detail__curves")

    def for_list(self) -> Self:
        """Leave out what lists do not show: everything of single classes, and the intervals."""
        return self.defer(
            "detail__confusion_matrix", "detail__curves", "detail__per_class", "detail__confidence_intervals"
        )

    def without_curves(self) -> Self:
        """Leave out what a snapshot by itself does not show."""
        return self.defer("detail__curves", "detail__per_class", "detail__confidence_intervals")

    def with_matrix_text(self) -> Self:
        """Add the confusion matrix as JSON text, `matrix_text`, which may be long."""
        matrix = Cast("detail__confusion_matrix", models.TextField())
        return self.defer("detail__confusion_matrix").annotate(matrix_text=matrix)

    def with_matrix_rows(self, offset: int, max_cells: int) -> Self:
        """Add `matrix_labels`, and of the confusion matrix the rows from `offset` on: `matrix_counts`.

        They have at most `max_cells` cells, but there is at least one row. The rest of the matrix is not read.
        """
        return self.defer("detail__confusion_matrix").annotate(
            matrix_labels=KeyTransform("labels", "detail__confusion_matrix"),
            matrix_counts=MatrixRows("detail__confusion_matrix", offset, max_cells),
        )

    def promoted(self) -> Self:
        """Keep the snapshots of versions that their models have promoted."""
        return self.filter(version__promoted_in__isnull=False)


class JobQuerySet(models.QuerySet[Any]):
    """Jobs: rows that workers take, as `performance.models.Job` says."""

    def take(self, lease: timedelta) -> Any:
        """Take the job whose turn it is, and return it; `None` when none is due.

        It comes due again after `lease`, unless that is put off. Two workers never take the same: PostgreSQL skips rows
        that another has locked, and on SQLite transactions that write follow each other.
        """
        if not self.due().exists():  # which costs no lock
            return None
        with transaction.atomic():
            job = self.due().in_turn().select_for_update(skip_locked=True, of=("self",)).first()
            if job is not None:
                job.state, job.attempts = "running", job.attempts + 1
                job.started_at = job.started_at or timezone.now()
                taken = {name: getattr(job, name) for name in ("state", "attempts", "started_at")}
                self.filter(pk=job.pk).update(**taken, due_at=Clock() + lease)
        return job

    def due(self) -> Self:
        """Keep the jobs that may be taken."""
        return self.filter(due_at__lte=Clock())

    def in_turn(self) -> Self:
        """Order by whose turn it is: the job that has been due for longest comes first."""
        return self.order_by("due_at")

    def held(self, job: Any) -> Self:
        """Keep the job, if whoever took it has it still."""
        return self.filter(pk=job.pk, attempts=job.attempts, state="running")

    def put_back(self, job: Any, *, wait: timedelta, counts: bool = True) -> bool:
        """Let a job that is held be taken again after a while; say whether it was held.

        An attempt that does not count was broken off for no fault of the job's.
        """
        attempts = F("attempts") - (0 if counts else 1)
        return bool(self.held(job).update(state="queued", due_at=Clock() + wait, attempts=attempts))


class TurnsQuerySet(JobQuerySet):
    """Jobs of organizations, which take turns: one that queues many jobs delays no other."""

    def with_owner(self) -> Self:
        """Add `owner`, the key of the organization whose turn a job takes."""
        return self.annotate(owner=F("organization"))

    def in_turn(self) -> Self:
        """Order by whose turn it is.

        The organization with the fewest running jobs comes first, then the one whose last job began longest ago, then
        the job that has been due for longest.
        """
        of_same = self.model._default_manager.filter(organization=OuterRef("owner"))
        running = of_same.filter(state="running", due_at__gt=Clock()).order_by().values("organization")
        started = of_same.filter(started_at__isnull=False).order_by("-started_at").values("started_at")
        return self.with_owner().order_by(
            Coalesce(Subquery(running.annotate(count=Count("pk")).values("count")), 0),
            Subquery(started[:1]).asc(nulls_first=True),
            "due_at",
        )

    def unfinished_of(self, organization_id: int) -> Self:
        """Keep the queued and running jobs of an organization."""
        return self.filter(organization=organization_id, due_at__isnull=False)


class ComparisonJobQuerySet(TurnsQuerySet):
    """Paired comparisons, which organizations take turns with."""

    def of_pair(self, snapshot: Any, baseline: Any) -> Self:
        """Keep the job of two snapshots."""
        return self.filter(snapshot=snapshot.pk, baseline=baseline.pk)

    def claim_for_request(self, job: Any, lease: timedelta) -> bool:
        """Claim a job that nobody has attempted, unless another request is computing a pair; return whether it did.

        Of all threads and processes that ask at once, one claims: a constraint makes sure of that.
        """
        computing = self.model.objects.filter(state="running", interactive=True, attempts=1)
        computing.filter(due_at__lte=Clock()).update(state="queued")  # of processes that were killed
        claimed = {"state": "running", "interactive": True, "attempts": 1, "started_at": timezone.now()}
        free = self.filter(~Exists(computing), pk=job.pk, state="queued", attempts=0)
        try:
            with transaction.atomic():
                if not free.update(**claimed, due_at=Clock() + lease):
                    return False
        except IntegrityError:  # another request was faster
            return False
        job.state, job.attempts = "running", 1
        return True

    def claim_for_promotion(self, job: Any, lease: timedelta) -> bool:
        """Claim a job that waits or whose process was killed, whatever requests compute; return whether it did."""
        free = self.filter(
            Q(state="queued") | Q(state="running", due_at__lte=Clock()), pk=job.pk, attempts=job.attempts
        )
        claimed = {"state": "running", "interactive": False, "attempts": job.attempts + 1}
        if not free.update(**claimed, started_at=timezone.now(), due_at=Clock() + lease):
            return False
        job.state, job.attempts = "running", job.attempts + 1
        return True

    def fail(self, job: Any) -> None:
        """Record that a job failed for good, if whoever claimed it still holds it."""
        self.held(job).update(state="failed", due_at=None, finished_at=timezone.now())


class EvaluationQuerySet(TurnsQuerySet):
    """Evaluations, which organizations take turns with.

    The previous release, which may run during an upgrade, queues evaluations without an organization. Such an
    evaluation belongs to the organization of its model, which is recorded once a worker takes it.
    """

    def with_owner(self) -> Self:
        """Add `owner`, the key of the organization whose turn an evaluation takes."""
        return self.annotate(owner=Coalesce("organization", "version__model__organization"))

    def take(self, lease: timedelta) -> Any:
        """Take the evaluation whose turn it is, and record its organization."""
        job = super().take(lease)
        if job is not None and job.organization_id is None:
            job.organization_id = job.owner
            self.filter(pk=job.pk).update(organization=job.owner)
        return job

    def unfinished_of(self, organization_id: int) -> Self:
        """Keep the queued and running evaluations of an organization."""
        unrecorded = Q(organization=None, version__model__organization=organization_id)
        return self.filter(Q(organization=organization_id) | unrecorded, due_at__isnull=False)


class GatePolicyQuerySet(models.QuerySet[Any]):
    """Policies of gates."""

    def newest_first(self) -> Self:
        """Order so that the policy that counts comes first; of one model or organization."""
        return self.order_by("-version")

    def in_force(self) -> Any:
        """Return the policy that counts, of one model or organization; `None` when it has none, or none any more."""
        newest = self.newest_first().first()
        return newest if newest and newest.document is not None else None


class WebhookDeliveryQuerySet(JobQuerySet):
    """Messages to webhooks, which are taken webhook by webhook."""

    def take_fairly(self, lease: timedelta, *, most: int) -> Any:
        """Take a message of the webhook that has waited longest for its turn; `None` if no message may be sent.

        At most one message of a webhook is under way, and at most `most` of an organization. The rows of the webhook
        and of its organization are locked while a message is taken, so that no other worker exceeds these limits.
        """
        if not self.due().exists():  # which costs no lock
            return None
        webhooks = self.model._meta.get_field("webhook").related_model.objects
        with transaction.atomic():
            webhook = webhooks.free_to_send(self.due(), most=most).lock_next()
            # Counted again, as others may have taken messages before the rows were locked.
            if webhook is None or webhooks.sending(webhook.organization_id).count() >= most:
                return None
            job = self.filter(webhook=webhook.pk).take(lease)
            if job is not None:
                webhooks.filter(pk=webhook.pk).update(sending_until=Clock() + lease)
        return job


class WebhookQuerySet(models.QuerySet[Any]):
    """Webhooks."""

    def sending(self, organization: Any) -> Self:
        """Keep the webhooks of an organization to which a message is under way."""
        return self.filter(organization=organization, sending_until__gt=Clock())

    def free_to_send(self, due: models.QuerySet[Any], *, most: int) -> Self:
        """Keep the webhooks with a due message that are neither paused nor sending one.

        Webhooks of an organization that is already sending `most` messages are left out.
        """
        now = Clock()
        sending = self.model.objects.sending(OuterRef("organization")).order_by().values("organization")
        return self.annotate(number=Coalesce(Subquery(sending.annotate(n=Count("pk")).values("n")), 0)).filter(
            Exists(due.filter(webhook=OuterRef("pk"))),
            Q(paused_until=None) | Q(paused_until__lte=now),
            Q(sending_until=None) | Q(sending_until__lte=now),
            number__lt=most,
        )

    def lock_next(self) -> Any:
        """Lock the webhook that was sent a message longest ago, with its organization, and return it."""
        longest_ago = self.select_related("organization").order_by(F("sending_until").asc(nulls_first=True), "pk")
        return longest_ago.select_for_update(skip_locked=True, of=("self", "organization"), no_key=True).first()

    def listening(self, model: Any) -> Self:
        """Keep the active webhooks that are told of a model, with their organization."""
        own = Q(model=None) | Q(model=model)
        return self.filter(own, organization=model.organization_id, is_active=True).select_related("organization")


class BadgeQuerySet(models.QuerySet[Any]):
    """Badges that were made."""

    def shown(self) -> Self:
        """Keep those whose signed URL is still good."""
        return self.filter(revoked_at=None, expires_at__gt=timezone.now())
