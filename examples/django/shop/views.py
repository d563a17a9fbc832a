"""The four ways a Django application caches: a page, a fragment, a value, a session."""

from django.core.cache import cache
from django.db.models import Avg
from django.http import JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import cache_page

from .models import Product


@cache_page(60)
def catalogue(request):
    """A whole page, kept for a minute."""
    return render(request, "shop/catalogue.html", {"products": Product.objects.order_by("name")})


def product(request, product_id):
    """A page with a fragment (see the template) that is kept until the product changes."""
    found = get_object_or_404(Product, pk=product_id)
    return render(request, "shop/product.html", {"product": found, "average_cents": average_cents})


def average_cents():
    """A value that costs a query, kept for ten minutes."""
    return cache.get_or_set("average_cents", lambda: Product.objects.aggregate(a=Avg("cents"))["a"], 600)


def add_to_basket(request, product_id):
    """The session lives in the cache: nothing is written to the database."""
    basket = request.session.setdefault("basket", {})
    basket[str(product_id)] = basket.get(str(product_id), 0) + 1
    request.session.modified = True
    return JsonResponse(basket)


def basket(request):
    return JsonResponse(request.session.get("basket", {}))
