//! redis-rs, blocking and on tokio, in both protocols.

#[path = "../../../../../examples/redis-rs/cache.rs"]
mod cache;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use larder_client_checks::{Checks, megabyte};
use redis::aio::ConnectionManager;
use redis::{AsyncCommands, Commands, ExistenceCheck, RedisError, SetExpiry, SetOptions, Value, cmd, pipe};

const DB: u32 = 11;

#[tokio::main]
async fn main() -> ExitCode {
    let mut checks = Checks::default();
    let outcome = both(&mut checks).await;
    checks.done("redis-rs", outcome)
}

async fn both(checks: &mut Checks) -> Result<()> {
    for protocol in ["resp2", "resp3"] {
        tokio::task::block_in_place(|| blocking(checks, protocol))?;
        on_tokio(checks, protocol).await?;
    }
    Ok(())
}

fn blocking(checks: &mut Checks, protocol: &str) -> Result<()> {
    let told = |what: &str| format!("blocking, {protocol}: {what}");
    let client = cache::client(DB, protocol)?;
    let mut redis = client.get_connection()?;
    cmd("FLUSHDB").exec(&mut redis)?;

    let mut loads = 0;
    for what in ["a miss loads", "a hit does not"] {
        let got = cache::cached(&mut redis, "user:7", 60, || {
            loads += 1;
            "Ada".into()
        })?;
        checks.equal(&told(what), (got.as_str(), loads), ("Ada", 1))?;
    }
    checks.equal(&told("the TTL is set"), (58..=60).contains(&redis.ttl::<_, i64>("user:7")?), true)?;
    checks.equal(&told("TTL of no key"), redis.ttl::<_, i64>("none")?, -2)?;
    redis.set::<_, _, ()>(&[0_u8, 255], megabyte())?;
    checks.equal(&told("1 MB of bytes"), redis.get::<_, Vec<u8>>(&[0_u8, 255])? == megabyte(), true)?;
    let fresh =
        SetOptions::default().conditional_set(ExistenceCheck::NX).with_expiration(SetExpiry::PX(50_000));
    checks.equal(
        &told("SET NX PX"),
        redis.set_options::<_, _, Option<String>>("new", 1, fresh.clone())?,
        Some("OK".into()),
    )?;
    checks.equal(
        &told("SET NX PX again"),
        redis.set_options::<_, _, Option<String>>("new", 1, fresh)?,
        None,
    )?;
    checks.equal(&told("GETDEL"), redis.get_del::<_, i64>("new")?, 1)?;
    redis.mset::<_, _, ()>(&[("a", 1), ("b", 2)])?;
    checks.equal(
        &told("MGET"),
        redis.mget::<_, Vec<Option<i64>>>(&["a", "none", "b"])?,
        vec![Some(1), None, Some(2)],
    )?;
    checks.equal(&told("INCR by a float"), redis.incr::<_, _, f64>("f", 0.5)?, 0.5)?;
    checks.equal(&told("DEL"), redis.del::<_, i64>(&["a", "b", "c"])?, 2)?;

    let (first, second): (i64, Option<i64>) =
        pipe().set("p", 5).ignore().incr("p", 1).get("none").query(&mut redis)?;
    checks.equal(&told("a pipeline"), (first, second), (6, None))?;
    let (set, counted): (String, i64) = pipe().atomic().set("t", 5).incr("t", 1).query(&mut redis)?;
    checks.equal(&told("MULTI/EXEC"), (set.as_str(), counted), ("OK", 6))?;
    let mut many = pipe();
    for i in 0..1000 {
        many.set(format!("scan:{i}"), i).ignore();
    }
    many.exec(&mut redis)?;
    let found =
        redis.scan_match::<_, String>("scan:*")?.collect::<Result<std::collections::HashSet<_>, _>>()?;
    checks.equal(&told("SCAN"), found.len(), 1000)?;

    let mut other = client.get_connection()?;
    let mut tries = 0;
    let (total,): (i64,) = redis::transaction(&mut redis, &["t"], |redis, pipe| {
        tries += 1;
        if tries == 1 {
            other.set::<_, _, ()>("t", 40)?;
        }
        let before: i64 = redis.get("t")?;
        pipe.set("t", before + 2).ignore().get("t").query(redis)
    })?;
    checks.equal(&told("WATCH makes it try again"), (total, tries), (42, 2))?;

    redis.set::<_, _, ()>("word", "x")?;
    checks.fails(
        &told("not an integer"),
        redis.incr::<_, _, i64>("word", 1),
        "not an integer or out of range",
    )?;
    checks.fails(
        &told("wrong number"),
        cmd("GET").query::<Value>(&mut redis),
        "wrong number of arguments",
    )?;
    let unknown: Result<Value, RedisError> = cmd("NOSUCHCOMMAND").arg("x").query(&mut redis);
    checks.fails(&told("an unknown command"), unknown, "unknown command")?;
    let version: String =
        redis::from_redis_value::<redis::InfoDict>(cmd("INFO").arg("server").query(&mut redis)?)?
            .get("redis_version")
            .unwrap_or_default();
    checks.equal(&told("INFO"), version.starts_with("7."), true)
}

async fn on_tokio(checks: &mut Checks, protocol: &str) -> Result<()> {
    let told = |what: &str| format!("tokio, {protocol}: {what}");
    let mut redis = ConnectionManager::new(cache::client(DB, protocol)?).await?;
    cmd("FLUSHDB").exec_async(&mut redis).await?;

    let mut loads = 0;
    for what in ["a miss loads", "a hit does not"] {
        let got = cache::cached_async(&mut redis, "user:7", 60, async || {
            loads += 1;
            "Ada".into()
        });
        checks.equal(&told(what), (got.await?.as_str(), loads), ("Ada", 1))?;
    }
    redis.set::<_, _, ()>("mb", megabyte()).await?;
    checks.equal(&told("1 MB of bytes"), redis.get::<_, Vec<u8>>("mb").await? == megabyte(), true)?;
    let stored = Instant::now();
    redis.pset_ex::<_, _, ()>("brief", "x", 400).await?;
    let there = || {
        let mut redis = redis.clone();
        async move { Ok(redis.exists::<_, bool>("brief").await?) }
    };
    checks.expires(&told("400 ms"), stored, Duration::from_millis(400), there).await?;
    let replies: (String, i64, i64) =
        pipe().atomic().set("t", 5).incr("t", 1).ttl("t").query_async(&mut redis).await?;
    checks.equal(&told("MULTI/EXEC"), replies, ("OK".to_owned(), 6, -1))?;
    let refused: Result<Value, RedisError> =
        pipe().atomic().set("t", 5).cmd("GET").query_async(&mut redis).await;
    checks.fails(&told("EXECABORT"), refused, "wrong number of arguments")?;

    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let mut redis = redis.clone();
            tokio::spawn(async move { redis.incr::<_, _, i64>("together", 1).await })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    checks.equal(&told("50 tasks on one connection"), redis.get::<_, i64>("together").await?, 50)?;

    let id: u64 = cmd("CLIENT").arg("ID").query_async(&mut redis).await?;
    let mut killer = cache::client(DB, protocol)?.get_multiplexed_async_connection().await?;
    checks.equal(
        &told("CLIENT KILL"),
        cmd("CLIENT").arg("KILL").arg("ID").arg(id).query_async::<i64>(&mut killer).await?,
        1,
    )?;
    // The command that finds the connection gone fails; the manager has a new one for the next.
    let began = Instant::now();
    let again = loop {
        match redis.get::<_, i64>("t").await {
            Err(error) if error.is_connection_dropped() && began.elapsed() < Duration::from_secs(5) => {}
            reply => break reply?,
        }
    };
    checks.equal(&told("the manager reconnects"), again, 6)?;
    checks.equal(&told("a new id"), cmd("CLIENT").arg("ID").query_async::<u64>(&mut redis).await? != id, true)
}
