"""The shop's pages."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.catalogue),
    path("product/<int:product_id>/", views.product),
    path("basket/add/<int:product_id>/", views.add_to_basket),
    path("basket/", views.basket),
]
