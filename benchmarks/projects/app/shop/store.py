"""The goods, in SQLite. The clients of typical company servers are imported, but not connected."""

import aiohttp
import asyncpg
import boto3
import redis
from celery import Celery
from sqlalchemy import String, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import StaticPool

CLIENTS = (aiohttp.ClientSession, asyncpg.connect, boto3.client, redis.Redis, Celery)

engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})


class Base(DeclarativeBase):
    """The base class of all tables."""


class Good(Base):
    """Something to sell."""

    __tablename__ = "good"

    name: Mapped[str] = mapped_column(String(30), primary_key=True)
    price: Mapped[int]


Base.metadata.create_all(engine)
with Session(engine) as session:
    session.add_all([Good(name="pear", price=3), Good(name="plum", price=2)])
    session.commit()


async def goods() -> list[str]:
    """Return the names of all goods."""
    with Session(engine) as session:
        return list(session.scalars(select(Good.name).order_by(Good.name)))
