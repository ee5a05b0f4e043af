"""The tables of performance, gathered for Django to find."""

from performance.badges.models import Badge as Badge
from performance.comparisons.models import ComparisonJob as ComparisonJob
from performance.comparisons.models import PairedComparison as PairedComparison
from performance.evaluations.models import EvaluationJob as EvaluationJob
from performance.evaluations.models import MisclassifiedExample as MisclassifiedExample
from performance.evaluations.models import ResidualExample as ResidualExample
from performance.gates.models import GatePolicy as GatePolicy
from performance.gates.models import GateVerdict as GateVerdict
from performance.jobs.models import Worker as Worker
from performance.snapshots.models import Dataset as Dataset
from performance.snapshots.models import DatasetVersion as DatasetVersion
from performance.snapshots.models import MetricSnapshot as MetricSnapshot
from performance.snapshots.models import SnapshotDetail as SnapshotDetail
from performance.snapshots.models import SnapshotSlice as SnapshotSlice
from performance.webhooks.models import Webhook as Webhook
from performance.webhooks.models import WebhookDelivery as WebhookDelivery
