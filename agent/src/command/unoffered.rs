//! What is not offered: an error that every client takes for "unknown command", then what to use instead.

use super::arguments::Args;
use super::failure::{Failure, SHOWN_MAX, shown};
use super::table::Command;

/// Families that Redis has and Larder has not, by their commands' names, with what to do instead.
const FAMILIES: &[(&[&str], &str)] = &[
    (
        &[
            "lpush",
            "rpush",
            "lpop",
            "rpop",
            "lrange",
            "llen",
            "lindex",
            "lset",
            "lrem",
            "ltrim",
            "linsert",
            "lpos",
            "lmove",
            "lmpop",
            "blpop",
            "brpop",
            "blmove",
            "blmpop",
            "lpushx",
            "rpushx",
            "rpoplpush",
            "brpoplpush",
        ],
        "lists are not offered by a cache: keep the list in the database it comes from, or as one string",
    ),
    (
        &[
            "xadd",
            "xread",
            "xrange",
            "xlen",
            "xdel",
            "xtrim",
            "xgroup",
            "xreadgroup",
            "xack",
            "xinfo",
            "xclaim",
            "xautoclaim",
        ],
        "streams are not offered by a cache: use a message queue or the Redis server itself",
    ),
    (
        &["geoadd", "geosearch", "geodist", "geopos", "geohash", "georadius", "pfadd", "pfcount", "pfmerge"],
        "this data type is not offered by a cache: ask the server that owns the data and cache its answer as a string",
    ),
    (
        &[
            "hset",
            "hget",
            "hmset",
            "hmget",
            "hgetall",
            "hdel",
            "hexists",
            "hlen",
            "hincrby",
            "hkeys",
            "hvals",
            "hscan",
            "sadd",
            "srem",
            "smembers",
            "sismember",
            "scard",
            "spop",
            "sscan",
            "sunion",
            "sinter",
            "sdiff",
            "zadd",
            "zrange",
            "zrem",
            "zscore",
            "zcard",
            "zcount",
            "zscan",
            "zrangebyscore",
            "zremrangebyscore",
            "zincrby",
        ],
        "this version keeps strings only: store the whole value under one key",
    ),
    (
        &["eval", "evalsha", "eval_ro", "evalsha_ro", "script", "fcall", "function"],
        "this version runs no scripts: use SET NX, GETEX or MULTI and EXEC",
    ),
    (
        &[
            "subscribe",
            "psubscribe",
            "unsubscribe",
            "punsubscribe",
            "publish",
            "pubsub",
            "ssubscribe",
            "spublish",
            "monitor",
        ],
        "this version has no publish and subscribe: use the Redis server itself",
    ),
    (
        &["cluster", "readonly", "readwrite", "asking", "migrate"],
        "this is no CLUSTER: connect to it as to a single server",
    ),
    (
        &["replicaof", "slaveof", "sync", "psync", "replconf", "failover", "sentinel"],
        "a pod-local cache has no replicas: each agent serves its own pod",
    ),
    (
        &["save", "bgsave", "bgrewriteaof", "dump", "restore", "sort", "move", "acl"],
        "this is not part of what a cache offers",
    ),
];

/// The error for a name that is no command here.
#[must_use]
pub(super) fn command(args: Args<'_>) -> Failure {
    let name = shown(args.at(0));
    let lower = name.to_ascii_lowercase();
    if let Some((_, advice)) = FAMILIES.iter().find(|(names, _)| names.contains(&lower.as_str())) {
        return Failure::with(format!("ERR unknown command '{name}': {advice}"));
    }
    let mut beginning = String::new();
    for arg in args.from(1) {
        let Some(room) = SHOWN_MAX.checked_sub(beginning.len()).filter(|room| *room > 0) else { break };
        beginning.push_str(&format!("'{}' ", shown(&arg[..arg.len().min(room)])));
    }
    Failure::with(format!("ERR unknown command '{name}', with args beginning with: {beginning}"))
}

/// The error for a container's unknown subcommand.
#[must_use]
pub(super) fn subcommand(container: &Command, name: &[u8]) -> Failure {
    let upper = container.name.to_uppercase();
    Failure::with(format!("ERR unknown subcommand '{}'. Try {upper} HELP.", shown(name)))
}
