"""Checks the shop: its pages through Django's test client, then every call of the low-level cache API."""

import os
import sys
import tempfile
from pathlib import Path

import django
from checks import Checks

scratch = tempfile.TemporaryDirectory()
os.environ["SHOP_DATABASE"] = f"{scratch.name}/shop.sqlite3"
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
sys.path.insert(0, str(Path(__file__).parent))
django.setup()

from django.contrib.sessions.backends.cache import SessionStore  # noqa: E402
from django.core.cache import cache, caches  # noqa: E402
from django.core.cache.backends.redis import RedisCache  # noqa: E402
from django.core.cache.utils import make_template_fragment_key  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext, setup_test_environment  # noqa: E402
from shop.models import Product  # noqa: E402

checks = Checks("django")


def get(client, path):
    """The page and the number of database queries it took."""
    with CaptureQueriesContext(connection) as queries:
        response = client.get(path)
    return response.content.decode(), len(queries)


def pages():
    client = Client()
    tea = Product.objects.create(name="Tea", cents=350)
    Product.objects.create(name="Jam", cents=450)

    first, queries = get(client, "/")
    checks.equal("cache_page: a miss asks the database", (queries, "Tea 350" in first), (1, True))
    checks.equal("cache_page: a hit does not", get(client, "/"), (first, 0))
    checks.true("cache_page: says how long", client.get("/")["Cache-Control"] == "max-age=60")
    checks.equal("cache_page: another query string is another page", get(client, "/?page=2")[1], 1)

    path = f"/product/{tea.pk}/"
    first, queries = get(client, path)
    checks.equal("fragment: a miss asks for the average", (queries, "on average 400" in first), (2, True))
    checks.equal("fragment: a hit only for the product", get(client, path), (first, 1))
    key = make_template_fragment_key("price", [tea.pk, tea.changed.isoformat()])
    checks.true("fragment: under the key Django names", "350 cents" in cache.get(key))
    tea.cents = 370
    tea.save()
    checks.true("fragment: the changed product has a new one", "370 cents" in get(client, path)[0])
    checks.true("fragment: the kept average is used in it", "on average 400" in get(client, path)[0])


def sessions():
    client = Client()
    for _ in range(2):
        content, queries = get(client, "/basket/add/7/")
    checks.equal("session: kept without the database", (content, queries), ('{"7": 2}', 0))
    checks.equal("session: a visitor without the cookie has none", get(Client(), "/basket/")[0], "{}")
    key = client.cookies["sessionid"].value
    checks.equal("session: another process reads it", SessionStore(key)["basket"], {"7": 2})
    checks.true("session: exists", SessionStore().exists(key))
    store = SessionStore(key)
    store.cycle_key()
    checks.equal("session: cycle_key moves it", (SessionStore().exists(key), store["basket"]), (False, {"7": 2}))
    store.flush()
    checks.equal("session: flush deletes it", get(client, "/basket/")[0], "{}")


def values():
    cache.clear()
    checks.equal("get: a miss", cache.get("k"), None)
    checks.equal("get: a default", cache.get("k", "none"), "none")
    cache.set("k", {"a": [1, 2.5, None, "ü"], "b": (b"\x00\xff", Product(name="x", cents=1).name)})
    checks.equal("get: any object", cache.get("k")["a"], [1, 2.5, None, "ü"])
    cache.set("none", None)
    checks.equal("get: None is a value", cache.get("none", "default"), None)
    megabyte = os.urandom(1 << 20)
    cache.set("mb", megabyte)
    checks.equal("get: a 1 MB value", cache.get("mb"), megabyte)
    checks.equal("add: a new key, then not again", (cache.add("new", 1), cache.add("new", 2)), (True, False))
    checks.equal("get: what add kept", cache.get("new"), 1)
    checks.equal("get_or_set", (cache.get_or_set("lazy", lambda: "made"), cache.get_or_set("lazy", "other")), ("made", "made"))
    checks.equal("has_key, in", (cache.has_key("k"), "nothing" in cache), (True, False))
    checks.equal("delete: there, then not", (cache.delete("k"), cache.delete("k")), (True, False))
    cache.set("zero", "x", timeout=0)
    checks.equal("set: timeout 0 keeps nothing", cache.get("zero"), None)
    checks.equal("get: a key of odd letters", (cache.set("ключ:🔑", 1), cache.get("ключ:🔑")), (None, 1))

    cache.set("n", 1)
    checks.equal("incr, decr", (cache.incr("n"), cache.incr("n", 10), cache.decr("n", 2)), (2, 12, 10))
    with checks.raises("incr: a missing key", ValueError, "not found"):
        cache.incr("missing")


def many():
    checks.equal("set_many: nothing failed", cache.set_many({"a": 1, "b": "two", "c": [3]}, timeout=60), [])
    checks.equal("get_many: those there", cache.get_many(["a", "b", "c", "d"]), {"a": 1, "b": "two", "c": [3]})
    large = {f"key:{i}": i for i in range(1000)}
    cache.set_many(large)
    checks.equal("get_many: 1,000 keys", cache.get_many(large), large)
    cache.delete_many(["a", "b", "d"])
    checks.equal("delete_many", cache.get_many(["a", "b", "c"]), {"c": [3]})
    cache.set_many({"a": 1, "b": 2}, timeout=0)
    checks.equal("set_many: timeout 0 keeps nothing", cache.get_many(["a", "b"]), {})


def versions():
    cache.set("v", "first")
    cache.set("v", "second", version=2)
    checks.equal("versions are apart", (cache.get("v"), cache.get("v", version=2)), ("first", "second"))
    checks.equal("incr_version", cache.incr_version("v"), 2)
    checks.equal("incr_version moves the value", (cache.get("v"), cache.get("v", version=2)), (None, "first"))
    checks.equal("decr_version", (cache.decr_version("v", version=2), cache.get("v")), (1, "first"))


def expiry():
    def brief():
        cache.set("brief", "x", timeout=1)
        return lambda: cache.get("brief")

    checks.expires("timeout=1", brief, 1)

    def touched():
        cache.set("touched", "x", timeout=100)
        checks.true("touch: a key that is there", cache.touch("touched", 1))
        return lambda: cache.get("touched")

    checks.expires("touch: to 1 s", touched, 1)
    checks.equal("touch: a key that is not", cache.touch("touched", 1), False)
    cache.set("forever", "x", timeout=1)
    cache.touch("forever", None)
    client = cache._cache.get_client(None, write=True)
    checks.equal("touch: None takes the timeout away", client.ttl(cache.make_key("forever")), -1)


def killed():
    """A pooled connection that the server closed costs the application nothing."""
    client = cache._cache.get_client(None, write=True)
    cache.set("kept", "yes")
    victim = client.client_id()
    killer = type(client)(unix_socket_path=os.environ["LARDER_SOCKET"])
    checks.equal("CLIENT KILL", killer.client_kill_filter(_id=victim), 1)
    checks.equal("get on the killed connection", cache.get("kept"), "yes")
    killer.close()


setup_test_environment()
call_command("migrate", verbosity=0)
cache.clear()
checks.true("the backend is Django's own", isinstance(caches["default"], RedisCache))
for part in (pages, sessions, values, many, versions, expiry, killed):
    part()
cache.clear()
checks.equal("clear", (cache.get("n"), cache.get("forever")), (None, None))
cache.close()
connection.close()
scratch.cleanup()
checks.done()
