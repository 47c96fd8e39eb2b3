"""The tables as SQLAlchemy models; init.sql and the migrations describe the same schema."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Connection,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    TypeDecorator,
    event,
    false,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from mnist.drawing import MAX_NUMBER, MAX_SESSION

# The collation keeps session names that differ only in case apart; utf8mb4 stores emoji.
_MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
_Bytes = LargeBinary(2**32 - 1)  # only MySQL needs the length: its plain BLOB ends at 64 kB
# Queries use these very words, or SQLite does not recognise the condition of the partial index.
TO_REVIEW = text("set_aside = 'disputed' AND NOT reviewed")


class UtcDateTime(TypeDecorator[datetime]):
    """A timestamp that is always UTC and always has its zone, which SQLite and MySQL do not store.

    Raises ValueError for a value without a zone.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "mysql":  # its plain DATETIME keeps whole seconds
            from sqlalchemy.dialects.mysql import DATETIME  # here: the import loads the whole dialect

            return DATETIME(fsp=6)
        return super().load_dialect_impl(dialect)

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return value and (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC))


class Base(DeclarativeBase):
    """Metadata of all tables; tests/store/test_schema.py checks that init.sql creates the same in PostgreSQL."""


class PredictionRow(Base):
    """One drawing: its picture, the prediction, and the label that a person gave it."""

    __tablename__ = "predictions"
    __table_args__ = (
        CheckConstraint("predicted_digit BETWEEN 0 AND 9", name="predicted_digit_is_a_digit"),
        CheckConstraint("true_label BETWEEN 0 AND 9", name="true_label_is_a_digit"),
        CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence_is_a_probability"),
        CheckConstraint("true_label IS NULL OR labelled_at IS NOT NULL", name="a_label_has_its_time"),
        CheckConstraint("set_aside IS NULL OR feedback_processed", name="only_a_run_sets_aside"),
        # Covers every filter of the history, so that searching far back reads no pictures.
        Index(
            "predictions_by_time",
            "created_at",
            "id",
            "source",
            "model_version",
            "verdict",
            "predicted_digit",
            "predicted_number",
            "true_label",
            "true_number",
            "labelled_at",
        ),
        Index("predictions_by_session", "session_id", "created_at", "id"),
        # Covers the question whether somebody has labelled anything, which precedes every answer.
        Index(
            "predictions_own_labels",
            "session_id",
            "labelled_at",
            "id",
            "set_aside",
            sqlite_where=text("labelled_at IS NOT NULL"),
        ),
        Index(
            "predictions_to_learn_from",
            "feedback_processed",
            "labelled_at",
            "id",
            sqlite_where=text("labelled_at IS NOT NULL"),
        ),
        # Covers the statistics of the latest labels, so that they read no pictures.
        Index(
            "predictions_labelled",
            "labelled_at",
            "id",
            "model_version",
            "predicted_digit",
            "predicted_number",
            "true_label",
            "true_number",
            "confidence",
            sqlite_where=text("labelled_at IS NOT NULL"),
        ),
        Index(
            "predictions_to_review",
            "labelled_at",
            "id",
            sqlite_where=TO_REVIEW,
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    source: Mapped[str] = mapped_column(String(16))
    session_id: Mapped[str | None] = mapped_column(String(MAX_SESSION))
    image: Mapped[bytes] = mapped_column(_Bytes)
    predicted_digit: Mapped[int | None] = mapped_column(SmallInteger)
    confidence: Mapped[float]
    probabilities: Mapped[list[float]] = mapped_column(JSON)
    verdict: Mapped[str] = mapped_column(String(16))
    model_version: Mapped[int]
    predicted_number: Mapped[str | None] = mapped_column(String(MAX_NUMBER))  # several digits side by side: "2026"
    true_label: Mapped[int | None] = mapped_column(SmallInteger)
    true_number: Mapped[str | None] = mapped_column(String(MAX_NUMBER))  # both NULL with labelled_at set: "not a digit"
    labelled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    feedback_processed: Mapped[bool] = mapped_column(default=False, server_default=false())
    processed_by: Mapped[int | None]  # the version, active or rejected, that was trained on it
    # Why no version learned from it; the reasons are in mnist/store/labels.py and mnist/retraining/quarantine.py.
    set_aside: Mapped[str | None] = mapped_column(String(16))
    # An administrator decided whether it may be learned; retrainings keep that.
    reviewed: Mapped[bool] = mapped_column(default=False, server_default=false())
    # A keyed digest of the visitor's network, never the address; NULL: an API key vouched for the session, an
    # administrator imported it, or it is older than this column.
    network: Mapped[str | None] = mapped_column(String(16))


class SecretRow(Base):
    """A random value that this database made for itself, so that nobody outside can foresee what is keyed with it."""

    __tablename__ = "secrets"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    value: Mapped[bytes] = mapped_column(_Bytes)


class _OneActive(CheckConstraint):
    """Stands for a partial unique index, which MySQL lacks: a unique index on a column that is NULL when inactive."""


@compiles(_OneActive)
def _one_active(*_: object, **__: object) -> str:
    return (
        "is_active BOOLEAN AS (CASE WHEN status = 'active' THEN 1 END) INVISIBLE,"
        " CONSTRAINT one_active_model UNIQUE (is_active)"
    )


class ModelRow(Base):
    """One version of the network, with its weights."""

    __tablename__ = "models"
    __table_args__ = (
        CheckConstraint("status IN ('active', 'retired', 'rejected')", name="status_is_known"),
        Index(
            "one_active_model",
            "status",
            unique=True,
            sqlite_where=text("status = 'active'"),
        ).ddl_if(callable_=lambda *_, dialect, **__: dialect.name != "mysql"),
        _OneActive("").ddl_if(dialect="mysql"),
    )

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    parent: Mapped[int | None] = mapped_column(ForeignKey("models.version"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    status: Mapped[str] = mapped_column(String(16))
    weights: Mapped[bytes] = mapped_column(_Bytes)
    metrics: Mapped[dict[str, Any]] = mapped_column(JSON)


@event.listens_for(Base.metadata, "before_create")
def _adapt_to_dialect(_metadata: MetaData, connection: Connection, **_: object) -> None:
    """Copy the conditions of partial indexes from SQLite to PostgreSQL, and set MySQL's engine and character set.

    Done here because in the models above it would load both dialects, 0.04 s, also where neither is used.
    """
    for table in Base.metadata.tables.values():
        if connection.dialect.name == "mysql":
            table.kwargs.update(_MYSQL)
        if connection.dialect.name == "postgresql":
            for index in table.indexes:
                index.dialect_options["postgresql"]["where"] = index.dialect_options["sqlite"]["where"]
