"""The engine, and a session for each request."""

import os
from collections.abc import Iterator

from sqlalchemy import create_engine
from sqlalchemy.orm import Session, sessionmaker

engine = create_engine(
    os.environ["DATABASE_URL"].replace("mysql://", "mysql+mysqldb://", 1),
    pool_size=1,
    pool_pre_ping=True,  # a frozen function finds its connection dead
    pool_recycle=300,
    isolation_level="READ COMMITTED",
)
SessionLocal = sessionmaker(bind=engine, autoflush=False)


def get_db() -> Iterator[Session]:
    """A session, closed after the request."""
    db = SessionLocal()
    try:
        yield db
    finally:
        db.close()
