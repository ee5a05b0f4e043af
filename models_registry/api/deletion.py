"""What stands in the way of deleting a record."""

from functools import reduce
from operator import or_

from django.db.models import PROTECT, RESTRICT, Exists, ForeignObjectRel, Model, OuterRef, Q


def is_in_use(record: Model) -> bool:
    """Return whether other records refer to a record that may not be deleted as long as they do."""
    relations = [
        relation
        for relation in record._meta.get_fields(include_hidden=True)
        if isinstance(relation, ForeignObjectRel) and relation.on_delete in {PROTECT, RESTRICT}
    ]
    references = [
        Exists(each.related_model._base_manager.filter(**{each.field.name: OuterRef("pk")})) for each in relations
    ]
    if not references:
        return False
    in_use: Q = reduce(or_, references, Q())
    return type(record)._base_manager.filter(in_use, pk=record.pk).exists()
