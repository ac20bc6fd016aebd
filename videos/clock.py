"""Moments by the database's clock: the clocks of two machines differ, and a lease must not."""

from datetime import timedelta

from django.db import models
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now


def from_now(seconds: float) -> "models.ExpressionWrapper[CombinedExpression]":
    """So many seconds after (or before, if negative) the moment at which the database runs the statement."""
    return models.ExpressionWrapper(Now() + timedelta(seconds=seconds), output_field=models.DateTimeField())
