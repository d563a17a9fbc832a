"""What the shop sells."""

from django.db import models


class Product(models.Model):
    name = models.CharField(max_length=100)
    cents = models.PositiveIntegerField()
    changed = models.DateTimeField(auto_now=True)
