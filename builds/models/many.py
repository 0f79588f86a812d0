"""Write many rows by one statement: Django's own ways make SQL for each row, which takes many times as long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection, models, transaction


def update_each(rows: Iterable[models.Model], fields: Sequence[str]) -> None:
    """Write these fields of rows of one model, which have keys already."""
    rows = list(rows)
    if rows:
        key = _columns(type(rows[0]), ["pk"])[0]
        columns = _columns(type(rows[0]), fields)
        assignments = ", ".join(f"{_quoted(column)} = %s" for column in columns)
        sql = f"UPDATE {_table(rows[0])} SET {assignments} WHERE {_quoted(key)} = %s"  # noqa: S608
        _execute(sql, rows, [*columns, key])


def insert_each(rows: Iterable[models.Model], fields: Sequence[str]) -> None:
    """Add rows of one model with these fields, which are all but its key; they get no keys here."""
    rows = list(rows)
    if rows:
        columns = _columns(type(rows[0]), fields)
        names, values = ", ".join(map(_quoted, columns)), ", ".join("%s" for _ in columns)
        _execute(f"INSERT INTO {_table(rows[0])} ({names}) VALUES ({values})", rows, columns)  # noqa: S608


def _columns(model: type[models.Model], names: Sequence[str]) -> list[models.Field[Any, Any]]:
    fields = [model._meta.pk if name == "pk" else model._meta.get_field(name) for name in names]
    return [field for field in fields if isinstance(field, models.Field)]


def _quoted(column: models.Field[Any, Any]) -> str:
    return connection.ops.quote_name(column.column or column.name)


def _table(row: models.Model) -> str:
    return connection.ops.quote_name(row._meta.db_table)


def _execute(sql: str, rows: Sequence[models.Model], columns: Sequence[models.Field[Any, Any]]) -> None:
    """Execute a statement with these fields of each row; its names are the model's own."""
    values = [
        [column.get_db_prep_save(getattr(row, column.attname), connection) for column in columns]
        for row in rows
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(sql, values)
