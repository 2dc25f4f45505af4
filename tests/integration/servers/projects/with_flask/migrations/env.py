"""Alembic runs this: it migrates the database that SHOP_DATABASE names."""

from __future__ import annotations

import logging
import os

from alembic import context
from sqlalchemy import create_engine

logging.basicConfig(level=logging.INFO)
with create_engine(f"sqlite:///{os.environ['SHOP_DATABASE']}").connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
