//! Cache-aside with redis-rs over Larder's Unix socket, blocking and on tokio.
//!
//! `cargo add redis --features tokio-comp,connection-manager`

use redis::aio::ConnectionManager;
use redis::{AsyncTypedCommands, Client, Connection, RedisResult, TypedCommands};

/// A client of database `db`; `protocol` is `resp2` or `resp3`.
pub fn client(db: u32, protocol: &str) -> RedisResult<Client> {
    let socket = std::env::var("LARDER_SOCKET").unwrap_or("/run/larder/larder.sock".into());
    Client::open(format!("redis+unix://{socket}?db={db}&protocol={protocol}"))
}

/// The text kept under `key`, else what `load` gives, kept for `ttl_s` seconds.
pub fn cached(
    redis: &mut Connection,
    key: &str,
    ttl_s: u64,
    load: impl FnOnce() -> String,
) -> RedisResult<String> {
    if let Some(kept) = redis.get(key)? {
        return Ok(kept);
    }
    let value = load();
    redis.set_ex(key, &value, ttl_s)?;
    Ok(value)
}

/// The same on tokio. A `ConnectionManager` is cheap to clone, shared by all tasks, and connects again by itself.
pub async fn cached_async(
    redis: &mut ConnectionManager,
    key: &str,
    ttl_s: u64,
    load: impl AsyncFnOnce() -> String,
) -> RedisResult<String> {
    if let Some(kept) = redis.get(key).await? {
        return Ok(kept);
    }
    let value = load().await;
    redis.set_ex(key, &value, ttl_s).await?;
    Ok(value)
}
