"""Checks cashews without its locks, tags and rate limits, which need Lua and sets: decorators, then commands."""

import asyncio

from app import asked, cache, news, rate, rename, user
from cashews import TransactionMode
from cashews.exceptions import CacheBackendInteractionError
from checks import Checks
from redis.asyncio import Redis

checks = Checks("cashews")


async def decorators():
    checks.equal("a miss calls", (await user(7), asked), ({"id": 7, "name": "user 7"}, [7]))
    checks.equal("a hit does not", (await user(7), asked), ({"id": 7, "name": "user 7"}, [7]))
    checks.true("the TTL is set", 598 <= await cache.get_expire("user:7") <= 600)
    await rename(7, "Ada")
    checks.equal("invalidate drops it", (await user(7), asked), ({"id": 7, "name": "user 7"}, [7, 7]))

    async def soft():
        asked.clear()
        await rate("eur")

        async def read():
            await rate("eur")
            return True if len(asked) == 1 else None

        return read

    await checks.expires_async("soft: made again after soft_ttl", soft, 0.4)
    asked.clear()
    rates = set()
    while not asked:  # until soft_ttl is over and the source is asked
        rates.add(await rate("eur", down=True))
    checks.equal("soft: the old value while the source is down", rates, {1.25})
    checks.equal("failover: fresh", await news(), ["first", "second"])
    checks.equal("failover: the last while down", await news(down=True), ["first", "second"])


async def commands():
    checks.equal("ping", await cache.ping(), b"PONG")
    checks.equal("get: a miss, a default", (await cache.get("none"), await cache.get("none", default=3)), (None, 3))
    checks.true("set", await cache.set("k", {"a": (1, None, b"\x00\xff")}, expire=60))
    checks.equal("get: a hit", await cache.get("k"), {"a": (1, None, b"\x00\xff")})
    checks.true("get_size", await cache.get_size("k") > 0)
    await cache.set("mb", bytes(range(256)) * 4096)
    checks.equal("a 1 MB value", await cache.get("mb"), bytes(range(256)) * 4096)
    checks.equal("set exist=False on a key that is there", await cache.set("k", 1, exist=False), False)
    checks.equal("set exist=True on a key that is not", await cache.set("absent", 1, exist=True), False)
    checks.equal("incr", (await cache.incr("n"), await cache.incr("n", 9), await cache.get("n")), (1, 10, 10))
    with checks.raises("incr: not an integer", CacheBackendInteractionError):
        await cache.incr("k")

    await cache.set_many({"a:1": "x", "a:2": ["y"], "b:1": 3}, expire=60)
    checks.equal("get_many", await cache.get_many("a:1", "none", "a:2"), ("x", None, ["y"]))
    checks.equal("scan", sorted([key async for key in cache.scan("a:*")]), ["a:1", "a:2"])
    checks.equal("get_match", {key: value async for key, value in cache.get_match("a:*")}, {"a:1": "x", "a:2": ["y"]})
    await cache.delete_match("a:*")
    checks.equal("delete_match", await cache.get_many("a:1", "a:2", "b:1"), (None, None, 3))
    await cache.delete_many("b:1", "n")
    checks.equal("exists, delete_many", (await cache.exists("b:1"), await cache.exists("k")), (False, True))
    await cache.expire("k", 30)
    checks.true("expire", 28 <= await cache.get_expire("k") <= 30)

    async def brief():
        await cache.set("brief", "x", expire=0.4)
        return lambda: cache.get("brief")

    await checks.expires_async("expire=0.4", brief, 0.4)

    async with cache.transaction(TransactionMode.FAST):  # the other modes lock
        await cache.set("t", "inside")
        await cache.delete("k")
    checks.equal("transaction", (await cache.get("t"), await cache.get("k")), ("inside", None))


async def killed():
    """cashews retries nothing of its own: redis-py replaces a connection that was closed."""
    from app import SOCKET

    killer = Redis(unix_socket_path=SOCKET)
    ids = [each["id"] for each in await killer.client_list() if each["name"] == "cashews"]
    checks.true("its connections carry its name", ids)
    for each in ids:
        await killer.client_kill_filter(_id=each)
    checks.equal("get on the killed connection", await cache.get("t"), "inside")
    await killer.aclose()


async def main():
    await cache.clear()
    for part in (decorators, commands, killed):
        await part()
    await cache.clear()
    checks.equal("clear", await cache.get("t"), None)
    await cache.close()


asyncio.run(main())
checks.done()
