"""The table, as SQLModel sees it."""

from datetime import UTC, datetime

from sqlalchemy import BigInteger, DateTime
from sqlmodel import Field, SQLModel


def now() -> datetime:
    return datetime.now(UTC)


class Task(SQLModel, table=True):
    __tablename__ = "tasks"

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInteger)
    user_id: str = Field(max_length=255)
    title: str = Field(max_length=200)
    description: str = ""
    completed: bool = False
    completed_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    created_at: datetime = Field(default_factory=now, sa_type=DateTime(timezone=True))
    updated_at: datetime = Field(default_factory=now, sa_type=DateTime(timezone=True))
