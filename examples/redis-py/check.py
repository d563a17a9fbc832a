"""Checks redis-py against the server: both protocols, sync and asyncio, from hit and miss to a killed connection."""

import asyncio

import redis
from cache import cached, cached_async, connect, connect_async
from checks import Checks

DB = 2
BINARY = bytes(range(256)) + b"\r\n$-1\r\n\x00"
MEGABYTE = BINARY * 4096
checks = Checks(f"redis-py {redis.__version__}")


def sync(protocol):
    name = f"sync, RESP{protocol}"
    client = connect(DB, protocol=protocol)
    client.flushdb()

    calls = []
    load = lambda: calls.append(1) or {"id": 7, "name": "Ada"}  # noqa: E731
    checks.equal(f"{name}: a miss loads", cached(client, "user:7", 60, load), {"id": 7, "name": "Ada"})
    checks.equal(f"{name}: a hit does not", (cached(client, "user:7", 60, load)["id"], len(calls)), (7, 1))
    checks.true(f"{name}: the TTL is set", 58 <= client.ttl("user:7") <= 60)
    checks.equal(f"{name}: TTL without a key", client.ttl("none"), -2)

    checks.true(f"{name}: a binary value is set", client.set(b"\x00bin\xff", BINARY))
    checks.equal(f"{name}: a binary value", client.get(b"\x00bin\xff"), BINARY)
    client.set("mb", MEGABYTE)
    checks.equal(f"{name}: a 1 MB value", client.get("mb"), MEGABYTE)
    checks.equal(f"{name}: an empty value", (client.set("empty", ""), client.get("empty")), (True, b""))
    checks.equal(f"{name}: SET NX on a key that is there", client.set("empty", "x", nx=True), None)
    checks.equal(f"{name}: SET GET", client.set("empty", "y", get=True), b"")
    checks.equal(f"{name}: GETEX and PERSIST", (client.getex("empty", ex=9), client.persist("empty")), (b"y", True))
    checks.equal(f"{name}: GETDEL", (client.getdel("empty"), client.exists("empty")), (b"y", 0))
    checks.equal(f"{name}: MGET", client.mget("none", "user:7")[0], None)
    checks.equal(f"{name}: counters", (client.incr("n"), client.incrby("n", 9), client.decr("n")), (1, 10, 9))
    checks.equal(f"{name}: INCRBYFLOAT", client.incrbyfloat("f", 1.5), 1.5)
    checks.equal(f"{name}: EXPIRE NX then GT", (client.expire("n", 50, nx=True), client.expire("n", 9, gt=True)), (True, False))
    client.mset({f"scan:{i}": i for i in range(500)})
    checks.equal(f"{name}: SCAN", len(set(client.scan_iter("scan:*", count=50))), 500)
    checks.equal(f"{name}: UNLINK", client.unlink(*(f"scan:{i}" for i in range(500))), 500)

    def brief():
        client.set("brief", "x", px=400)
        return lambda: client.get("brief")

    checks.expires(f"{name}: a 400 ms TTL", brief, 0.4)

    with client.pipeline(transaction=True) as pipe:
        pipe.set("a", 1).incr("a").get("a").expire("a", 60).get("none")
        checks.equal(f"{name}: MULTI/EXEC", pipe.execute(), [True, 2, b"2", True, None])
    with client.pipeline(transaction=False) as pipe:
        for i in range(1000):
            pipe.set(f"p:{i}", i)
            pipe.get(f"p:{i}")
        checks.equal(f"{name}: 2,000 commands in a pipeline", pipe.execute()[1::2], [b"%d" % i for i in range(1000)])
    with client.pipeline() as pipe:
        pipe.set("word", "x").incr("word").get("word")
        kinds = [type(reply) for reply in pipe.execute(raise_on_error=False)]
        checks.equal(f"{name}: an error inside EXEC leaves the rest", kinds, [bool, redis.ResponseError, bytes])
    with client.pipeline() as pipe:
        pipe.watch("a")
        pipe.multi()
        pipe.set("a", "mine")
        client.set("a", "theirs")
        with checks.raises(f"{name}: WATCH sees the other's write", redis.WatchError):
            pipe.execute()
    checks.equal(f"{name}: transaction() tries again", client.transaction(lambda p: (p.multi(), p.get("a")), "a"), [b"theirs"])

    with checks.raises(f"{name}: not an integer", redis.ResponseError, "value is not an integer or out of range"):
        client.incr("word")
    with checks.raises(f"{name}: wrong number of arguments", redis.ResponseError, "wrong number of arguments"):
        client.execute_command("GET")
    with checks.raises(f"{name}: unknown command", redis.ResponseError, "unknown command"):
        client.execute_command("NOSUCHCOMMAND", "x")
    with checks.raises(f"{name}: invalid expire time", redis.ResponseError, "invalid expire time"):
        client.set("n", "x", ex=0)
    with checks.raises(f"{name}: a database out of range", redis.ResponseError, "DB index is out of range"):
        connect(9999, protocol=protocol).ping()

    checks.equal(f"{name}: INFO says a version of 7", client.info("server")["redis_version"].split(".")[0], "7")
    checks.equal(f"{name}: CONFIG GET", list(client.config_get("maxmemory-policy")), ["maxmemory-policy"])
    killed(name, protocol)
    client.close()


def killed(name, protocol):
    """A pooled connection that the server closed is replaced before the next command."""
    victim = connect(DB, protocol=protocol, client_name="victim", decode_responses=True)
    killer = connect(DB, protocol=protocol)
    victim.set("kept", "yes")
    before = victim.client_id()
    checks.equal(f"{name}: the client's name", victim.client_getname(), "victim")
    checks.equal(f"{name}: CLIENT KILL ID", killer.client_kill_filter(_id=before), 1)
    checks.equal(f"{name}: the next command reconnects", victim.get("kept"), "yes")
    checks.true(f"{name}: on a connection with a new id", victim.client_id() != before)
    victim.close()
    killer.close()


async def asynchronous(protocol):
    name = f"asyncio, RESP{protocol}"
    client = connect_async(DB, protocol=protocol, decode_responses=True)
    await client.flushdb()

    calls = []

    async def load():
        calls.append(1)
        return [1, 2, 3]

    checks.equal(f"{name}: a miss loads", await cached_async(client, "list", 60, load), [1, 2, 3])
    checks.equal(f"{name}: a hit does not", (await cached_async(client, "list", 60, load), len(calls)), ([1, 2, 3], 1))
    raw = connect_async(DB, protocol=protocol)
    await raw.set("mb", MEGABYTE)
    checks.equal(f"{name}: a 1 MB value", await raw.get("mb"), MEGABYTE)
    await raw.aclose()

    async def brief():
        await client.set("brief", "x", px=400)
        return lambda: client.get("brief")

    await checks.expires_async(f"{name}: a 400 ms TTL", brief, 0.4)
    async with client.pipeline(transaction=True) as pipe:
        replies = await pipe.set("é", "ü").get("é").incr("n").execute()
        checks.equal(f"{name}: MULTI/EXEC, decoded", replies, [True, "ü", 1])
    async with client.pipeline() as pipe:
        await pipe.watch("n")
        pipe.multi()
        pipe.incr("n")
        await client.set("n", 5)
        with checks.raises(f"{name}: WATCH sees the other's write", redis.WatchError):
            await pipe.execute()
    with checks.raises(f"{name}: not an integer", redis.ResponseError, "not an integer"):
        await client.incr("é")
    totals = await asyncio.gather(*(client.incr("together") for _ in range(50)))
    checks.equal(f"{name}: 50 connections at once", sorted(totals), list(range(1, 51)))
    found = [key async for key in client.scan_iter(match="*", count=2)]
    checks.equal(f"{name}: SCAN", sorted(found), ["list", "mb", "n", "together", "é"])
    await client.aclose()


for protocol in (2, 3):
    sync(protocol)
    asyncio.run(asynchronous(protocol))
checks.done()
