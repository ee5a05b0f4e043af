"""Querysets that are compiled once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.db.models import CharField, Exists, OuterRef

from models_registry.accounts.models import Organization
from models_registry.db.prepared import Parameter, PreparedQuery, columns_of
from models_registry.registry.models import RegisteredModel

SLUG = Parameter("slug", CharField())


@pytest.fixture
def by_slug() -> PreparedQuery:
    models = RegisteredModel.objects.filter(organization=OuterRef("pk"))
    return PreparedQuery(Organization.objects.filter(slug=SLUG).values("name", "created_at", has_models=Exists(models)))


def test_a_prepared_query_returns_the_rows_of_its_queryset(model: RegisteredModel, by_slug: PreparedQuery) -> None:
    expected = {"name": "Acme", "created_at": model.organization.created_at, "has_models": True}

    assert by_slug.first(slug="acme") == expected


def test_first_returns_none_without_a_row(db: None, by_slug: PreparedQuery) -> None:
    assert by_slug.first(slug="acme") is None


def test_a_prepared_query_is_compiled_once(
    acme: Organization, outsider: object, by_slug: PreparedQuery, django_assert_num_queries: Callable[..., object]
) -> None:
    by_slug.first(slug="acme")
    by_slug.queryset = None  # type: ignore[assignment]

    with django_assert_num_queries(1):  # type: ignore[attr-defined]
        row = by_slug.first(slug="globex")

    assert row is not None
    assert row["name"] == "Globex"


def test_a_missing_value_is_an_error(db: None, by_slug: PreparedQuery) -> None:
    with pytest.raises(KeyError, match="slug"):
        by_slug.first(name="acme")


def test_a_value_is_never_part_of_the_sql(acme: Organization, by_slug: PreparedQuery) -> None:
    assert by_slug.first(slug="acme' OR '1'='1") is None


@pytest.mark.skipif("connection.vendor != 'postgresql'")
def test_postgresql_prepares_the_statement(acme: Organization, by_slug: PreparedQuery) -> None:
    for _ in range(10):
        by_slug.first(slug="acme")

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%has_models%'")
        assert cursor.fetchone() == (1,)


@pytest.mark.django_db(transaction=True)
def test_rows_are_read_as_instances_over_the_connection_of_each_thread(
    acme: Organization, rows_can_be_cleaned_up: None
) -> None:
    organizations = PreparedQuery(Organization.objects.filter(slug=SLUG).values(*columns_of(Organization)))

    def read(_: int) -> Organization | None:
        try:
            found: Organization | None = organizations.first_instance(slug="acme")
        finally:
            connection.close()
        return found

    assert organizations.first_instance(slug="globex") is None
    with ThreadPoolExecutor(max_workers=4) as pool:
        found = [*pool.map(read, range(8))]
    assert found == [acme] * 8
    assert {each.created_at for each in found if each} == {acme.created_at}
