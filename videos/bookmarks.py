"""Where a walk over everything goes on that is too long for one sweep."""

from django.db import models


class Bookmark(models.Model):
    """The last thing that a walk has looked at; empty: it begins anew. Two walkers at once only look twice."""

    name = models.CharField(primary_key=True, max_length=50)
    position = models.CharField(max_length=1024, blank=True, default="")

    class Meta:
        db_table = "bookmarks"

    def __str__(self) -> str:
        return f"{self.name}: {self.position or 'at the start'}"

    @classmethod
    def of(cls, name: str) -> "Bookmark":
        """The walk's bookmark, made where there is none."""
        return cls.objects.get_or_create(name=name)[0]

    def move(self, position: str) -> None:
        """The walk has come so far."""
        Bookmark.objects.filter(pk=self.pk).update(position=position)
