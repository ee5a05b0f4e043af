"""What stands in the way of deleting a record."""

from functools import reduce
from operator import or_
from typing import Any

from django.db.models import PROTECT, RESTRICT, Exists, Model, OuterRef, Q


def is_in_use(record: Model) -> bool:
    """Return whether other records refer to a record that may not be deleted as long as they do."""
    relations: list[Any] = [
        relation
        for relation in record._meta.get_fields(include_hidden=True)
        if getattr(relation, "on_delete", None) in {PROTECT, RESTRICT} and relation.auto_created
    ]
    references = [
        Exists(each.related_model._base_manager.filter(**{each.field.name: OuterRef("pk")})) for each in relations
    ]
    if not references:
        return False
    in_use: Q = reduce(or_, references, Q())
    return type(record)._base_manager.filter(in_use, pk=record.pk).exists()
