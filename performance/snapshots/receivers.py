"""What happens to a model that has snapshots."""

from models_registry.api.errors import ConflictError
from models_registry.registry.models import RegisteredModel
from performance.snapshots.models import MetricSnapshot, Source


def keep_positive_class(*, model: RegisteredModel, **kwargs: object) -> None:
    """Raise `ConflictError` if metrics of the model were computed with its present positive class.

    Receives `positive_class_changing`.
    """
    if MetricSnapshot.objects.filter(version__model=model, source=Source.COMPUTED).exists():
        raise ConflictError(
            f"Metrics of {model.pk} have been computed, so its positive class stays. Register another model for "
            "another positive class."
        )
