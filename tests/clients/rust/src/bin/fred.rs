//! fred in both protocols: handshake, values, transactions, pipelines, errors and a killed connection.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand, RespVersion, client::ClientKillFilter};
use larder_client_checks::{Checks, megabyte};

const DB: u8 = 12;

#[tokio::main]
async fn main() -> ExitCode {
    let mut checks = Checks::default();
    let outcome = both(&mut checks).await;
    checks.done("fred", outcome)
}

async fn both(checks: &mut Checks) -> Result<()> {
    check(checks, RespVersion::RESP2).await?;
    check(checks, RespVersion::RESP3).await
}

async fn connect(version: &RespVersion) -> Result<Client> {
    let socket = std::env::var("LARDER_SOCKET")?;
    let mut config = Config::from_url(&format!("redis+unix://{socket}"))?;
    config.database = Some(DB);
    config.version = version.clone();
    let client = Builder::from_config(config)
        .with_connection_config(|connection| connection.connection_timeout = Duration::from_secs(5))
        .set_policy(ReconnectPolicy::new_constant(20, 50))
        .build()?;
    client.init().await?;
    Ok(client)
}

/// A command that fred has no method for.
async fn raw(client: &Client, name: &'static str, args: Vec<&str>) -> Result<Value, Error> {
    client.custom(CustomCommand::new_static(name, ClusterHash::FirstKey, false), args).await
}

async fn check(checks: &mut Checks, version: RespVersion) -> Result<()> {
    let told = |what: &str| format!("{version:?}: {what}");
    let redis = connect(&version).await?;
    checks.equal(&told("PING"), redis.ping::<String>(None).await?, "PONG")?;
    raw(&redis, "FLUSHDB", vec![]).await?;

    checks.equal(&told("a miss"), redis.get::<Option<String>, _>("none").await?, None::<String>)?;
    redis.set::<(), _, _>("k", "ü", Some(Expiration::EX(60)), None, false).await?;
    checks.equal(&told("a hit"), redis.get::<String, _>("k").await?, "ü")?;
    checks.equal(&told("TTL"), (58..=60).contains(&redis.ttl::<i64, _>("k").await?), true)?;
    let refused: Option<String> = redis.set("k", "x", None, Some(SetOptions::NX), false).await?;
    checks.equal(&told("SET NX on a key that is there"), refused, None::<String>)?;
    let old: Option<String> = redis.set("k", "y", None, None, true).await?;
    checks.equal(&told("SET GET"), old.as_deref(), Some("ü"))?;
    redis.set::<(), _, _>(&[0_u8, 255][..], megabyte().as_slice(), None, None, false).await?;
    checks.equal(
        &told("1 MB of bytes"),
        redis.get::<Vec<u8>, _>(&[0_u8, 255][..]).await? == megabyte(),
        true,
    )?;
    redis.mset(vec![("a", 1), ("b", 2)]).await?;
    let values: Vec<Option<i64>> = redis.mget(vec!["a", "none", "b"]).await?;
    checks.equal(&told("MGET"), values, [Some(1), None, Some(2)])?;
    checks.equal(
        &told("INCRBY"),
        redis.incr_by::<i64, _>("n", 41).await? + redis.incr::<i64, _>("n").await?,
        83,
    )?;
    checks.equal(&told("DEL"), redis.del::<i64, _>(vec!["a", "b", "c"]).await?, 2)?;

    let stored = Instant::now();
    redis.set::<(), _, _>("brief", "x", Some(Expiration::PX(400)), None, false).await?;
    let there = async || Ok(redis.exists::<bool, _>("brief").await?);
    checks.expires(&told("400 ms"), stored, Duration::from_millis(400), there).await?;

    let pipeline = redis.pipeline();
    for i in 0..500 {
        pipeline.set::<(), _, _>(format!("scan:{i}"), i, None, None, false).await?;
    }
    pipeline.get::<(), _>("scan:7").await?;
    checks.equal(&told("a pipeline of 501"), pipeline.last::<i64>().await?, 7)?;
    let mut found = std::collections::HashSet::new();
    let mut cursor = "0".to_owned();
    loop {
        let (next, keys): (String, Vec<String>) = redis.scan_page(cursor, "scan:*", Some(50), None).await?;
        found.extend(keys);
        if next == "0" {
            break;
        }
        cursor = next;
    }
    checks.equal(&told("SCAN"), found.len(), 500)?;

    let transaction = redis.multi();
    transaction.set::<(), _, _>("t", 5, None, None, false).await?;
    transaction.incr::<(), _>("t").await?;
    transaction.get::<(), _>("none").await?;
    let replies: (String, i64, Option<String>) = transaction.exec(true).await?;
    checks.equal(&told("MULTI/EXEC"), replies, ("OK".to_owned(), 6, None))?;

    checks.fails(
        &told("not an integer"),
        redis.incr::<i64, _>("k").await,
        "value is not an integer or out of range",
    )?;
    checks.fails(&told("wrong number"), raw(&redis, "GET", vec![]).await, "wrong number of arguments")?;
    checks.fails(
        &told("an unknown command"),
        raw(&redis, "NOSUCHCOMMAND", vec!["x"]).await,
        "unknown command",
    )?;
    checks.equal(&told("DBSIZE"), redis.dbsize::<i64>().await? > 500, true)?;

    let id: i64 = redis.client_id().await?;
    let killer = connect(&version).await?;
    let killed: i64 = killer.client_kill(vec![ClientKillFilter::ID(id.to_string())]).await?;
    checks.equal(&told("CLIENT KILL"), killed, 1)?;
    checks.equal(&told("the next command reconnects"), redis.get::<i64, _>("t").await?, 6)?;
    checks.equal(&told("on a new connection"), redis.client_id::<i64>().await? != id, true)?;
    raw(&redis, "FLUSHDB", vec![]).await?;
    redis.quit().await?;
    killer.quit().await?;
    Ok(())
}
