"""Orders can be paid."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.add_column("orders", sa.Column("paid", sa.Boolean(), nullable=False, server_default="0"))
