"""Checks aiocache: its decorators, then its cache object."""

import asyncio

from aiocache import Cache
from aiocache.plugins import HitMissRatioPlugin
from aiocache.serializers import JsonSerializer, NullSerializer
from app import LARDER, asked, prices, user
from checks import Checks

checks = Checks("aiocache")


async def main():
    options = {key: value for key, value in LARDER.items() if key != "cache"}
    cache = Cache(Cache.REDIS, serializer=JsonSerializer(), plugins=[HitMissRatioPlugin()], **options)
    raw = Cache(Cache.REDIS, serializer=NullSerializer(encoding=None), **options)
    await cache.client.flushdb()

    checks.equal("@cached: a miss calls", (await user(7), asked), ({"id": 7, "name": "user 7"}, [7]))
    checks.equal("@cached: a hit does not", (await user(7), asked), ({"id": 7, "name": "user 7"}, [7]))
    checks.true("@cached: the TTL is set", 58 <= await cache.client.ttl("shop:user:7") <= 60)
    asked.clear()
    checks.equal("@multi_cached: all missing", await prices(names=["tea", "milk"]), {"tea": 300, "milk": 400})
    checks.equal("@multi_cached: one missing", (await prices(names=["tea", "jam"]))["jam"], 300)
    checks.equal("@multi_cached: each was asked for once", asked, ["tea", "milk", "jam"])

    checks.equal("get: a miss", await cache.get("none"), None)
    checks.equal("get: a default", await cache.get("none", default=5), 5)
    await cache.set("k", {"a": [1, None, "ü"]})
    checks.equal("get: a hit", await cache.get("k"), {"a": [1, None, "ü"]})
    megabyte = bytes(range(256)) * 4096
    await raw.set("mb", megabyte)
    checks.equal("get: 1 MB of bytes", await raw.get("mb"), megabyte)
    checks.true("add: a new key", await cache.add("new", 1, ttl=60))
    with checks.raises("add: a key that is there", ValueError, "already exists"):
        await cache.add("new", 2)
    checks.equal("exists, delete", (await cache.exists("new"), await cache.delete("new"), await cache.exists("new")), (True, 1, False))
    checks.equal("increment", (await cache.increment("n"), await cache.increment("n", 9)), (1, 10))
    with checks.raises("increment: not an integer", TypeError, "not an integer"):
        await cache.increment("k")

    checks.true("multi_set", await cache.multi_set([("a", 1), ("b", "two")]))
    checks.equal("multi_get", await cache.multi_get(["a", "none", "b"]), [1, None, "two"])
    checks.true("multi_set with a TTL", await cache.multi_set([("a", 3), ("b", 4)], ttl=50))
    checks.true("multi_set: MSET and EXPIRE in one transaction", 48 <= await cache.client.ttl("shop:b") <= 50)
    checks.true("expire 0 takes the TTL away", await cache.expire("a", 0))
    checks.equal("the TTL is gone", await cache.client.ttl("shop:a"), -1)

    def brief(store):
        async def set_and_get():
            await store()
            return lambda: cache.get("brief")

        return set_and_get

    await checks.expires_async("set, ttl=0.4", brief(lambda: cache.set("brief", "x", ttl=0.4)), 0.4)
    await checks.expires_async("multi_set, ttl=0.4", brief(lambda: cache.multi_set([("brief", "x")], ttl=0.4)), 0.4)
    await checks.expires_async("add, ttl=1", brief(lambda: cache.add("brief", "x", ttl=1)), 1)

    totals = await asyncio.gather(*(cache.increment("together") for _ in range(50)))
    checks.equal("50 at once", sorted(totals), list(range(1, 51)))
    checks.equal("raw", await raw.raw("strlen", "shop:mb"), 1 << 20)
    victim = await cache.client.client_id()
    await raw.client.client_kill_filter(_id=victim)
    checks.equal("get on the killed connection", await cache.get("b"), 4)
    await cache.clear(namespace="shop")
    checks.equal("clear of a namespace", await cache.client.dbsize(), 0)
    await raw.set("k", b"x")
    await raw.clear()
    checks.equal("clear", await raw.get("k"), None)

    for each in (cache, raw, user.cache, prices.cache):
        await each.close()


asyncio.run(main())
checks.done()
