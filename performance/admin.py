"""The pages of performance in the admin, gathered for Django to find."""

from performance.badges import admin as badges
from performance.evaluations import admin as evaluations
from performance.evaluations import snapshot_admin as examples
from performance.gates import admin as gates
from performance.model_cards import admin as model_cards
from performance.overview import admin as overview
from performance.snapshots import admin as snapshots
from performance.snapshots import dataset_admin as datasets
from performance.webhooks import admin as webhooks

__all__ = ["badges", "datasets", "evaluations", "examples", "gates", "model_cards", "overview", "snapshots", "webhooks"]
