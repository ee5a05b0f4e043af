"""How well versions do: metric snapshots, the evaluations and gates that they go through, and who is told of them."""

from performance.models.badges import Badge as Badge
from performance.models.comparisons import ComparisonJob as ComparisonJob
from performance.models.evaluations import UPLOADS as UPLOADS
from performance.models.evaluations import EvaluationJob as EvaluationJob
from performance.models.gates import GatePolicy as GatePolicy
from performance.models.gates import GateVerdict as GateVerdict
from performance.models.jobs import Job as Job
from performance.models.snapshots import CLOCK_SKEW as CLOCK_SKEW
from performance.models.snapshots import MAX_METRIC_NAME as MAX_METRIC_NAME
from performance.models.snapshots import DatasetSplit as DatasetSplit
from performance.models.snapshots import MetricSnapshot as MetricSnapshot
from performance.models.snapshots import MisclassifiedExample as MisclassifiedExample
from performance.models.snapshots import PairedComparison as PairedComparison
from performance.models.snapshots import ResidualExample as ResidualExample
from performance.models.snapshots import SnapshotDetail as SnapshotDetail
from performance.models.snapshots import Source as Source
from performance.models.snapshots import WorstExample as WorstExample
from performance.models.webhooks import Webhook as Webhook
from performance.models.webhooks import WebhookDelivery as WebhookDelivery
from performance.models.webhooks import new_webhook_secret as new_webhook_secret
