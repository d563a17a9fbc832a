//! `CONFIG`: the settings that tools of Redis read and write, by Redis's names.

use std::sync::atomic::Ordering::Relaxed;

use super::failure::Failure;
use super::glob;
use super::hello::lacks_subcommand;
use super::outcome::{Call, Result};
use crate::config::Family;
use crate::resp::number::parse_i64;
use crate::server::buffers::Buffers;
use crate::server::settings::engine_policy;

pub(super) fn container(call: &mut Call<'_, '_, '_>) -> Result {
    Err(lacks_subcommand(call))
}

/// Every parameter with its value now.
fn parameters(call: &Call<'_, '_, '_>) -> Vec<(&'static str, String)> {
    let (node, settings) = (call.node, &call.node.settings);
    let buffers = Buffers::limit(node.cache.limit());
    vec![
        ("appendonly", "no".into()),
        ("bind", node.config.tcp.map(|address| address.ip().to_string()).unwrap_or_default()),
        ("client-output-buffer-limit", "normal 0 0 0 slave 0 0 0 pubsub 0 0 0".into()),
        ("client-query-buffer-limit", buffers.to_string()),
        ("databases", node.cache.databases().to_string()),
        ("maxclients", settings.max_clients.load(Relaxed).to_string()),
        ("maxmemory", node.cache.limit().to_string()),
        ("maxmemory-clients", buffers.to_string()),
        ("maxmemory-policy", settings.policy_name()),
        ("maxmemory-samples", "5".into()),
        ("notify-keyspace-events", String::new()),
        ("port", node.port().to_string()),
        ("proto-max-bulk-len", settings.max_value.load(Relaxed).to_string()),
        ("replica-read-only", "yes".into()),
        ("save", String::new()),
        ("slave-read-only", "yes".into()),
        ("slowlog-log-slower-than", settings.slowlog_slower_than_us.load(Relaxed).to_string()),
        ("slowlog-max-len", settings.slowlog_max_len.load(Relaxed).to_string()),
        ("tcp-keepalive", crate::server::listen::TCP_KEEPALIVE_S.to_string()),
        ("timeout", settings.idle_timeout_s.load(Relaxed).to_string()),
        ("unixsocket", node.config.socket.display().to_string()),
        ("unixsocketperm", format!("{:o}", node.config.socket_mode)),
    ]
}

pub(super) fn get(call: &mut Call<'_, '_, '_>) -> Result {
    let wanted: Vec<Vec<u8>> = call.args.from(2).map(<[u8]>::to_ascii_lowercase).collect();
    let mut found = parameters(call);
    found.retain(|(name, _)| wanted.iter().any(|pattern| glob::matches(pattern, name.as_bytes())));
    call.reply.map(found.len());
    for (name, value) in found {
        call.reply.bulk(name.as_bytes());
        call.reply.bulk(value.as_bytes());
    }
    Ok(())
}

/// One parameter's new value, checked.
enum Change {
    MaxMemory(usize),
    Policy(Family, String),
    MaxClients(u32),
    Timeout(u64),
    SlowerThan(i64),
    SlowLogLength(u64),
    MaxValue(u64),
    /// Accepted where it says what is so anyway.
    Nothing,
}

fn check(call: &Call<'_, '_, '_>, name: &str, text: &str) -> std::result::Result<Change, String> {
    let number = |low: i64, high: i64| {
        parse_i64(text.as_bytes())
            .filter(|number| (low..=high).contains(number))
            .ok_or_else(|| format!("argument must be between {low} and {high} inclusive"))
    };
    match name {
        "maxmemory" => {
            let bytes =
                crate::config::parse_size(text).map_err(|_| "argument must be a memory value".to_owned())?;
            if (bytes as usize) < larder_cache::MEMORY_MIN {
                return Err(format!("must be at least {} bytes", larder_cache::MEMORY_MIN));
            }
            Ok(Change::MaxMemory(bytes as usize))
        }
        "maxmemory-policy" => {
            let family = Family::parse(text).map_err(|_| {
                "argument(s) must be one of the following: volatile-lru, volatile-lfu, volatile-random, volatile-ttl, \
                 allkeys-lru, allkeys-lfu, allkeys-random, noeviction"
                    .to_owned()
            })?;
            let name = match text {
                "allkeys" | "volatile" => crate::server::settings::redis_name(family),
                name => name,
            };
            Ok(Change::Policy(family, name.to_owned()))
        }
        "maxclients" => Ok(Change::MaxClients(number(1, 1_000_000)? as u32)),
        "timeout" => Ok(Change::Timeout(number(0, 365 * 86_400)? as u64)),
        "slowlog-log-slower-than" => Ok(Change::SlowerThan(number(-1, i64::MAX)?)),
        "slowlog-max-len" => Ok(Change::SlowLogLength(number(0, 10_000)? as u64)),
        "proto-max-bulk-len" => Ok(Change::MaxValue(number(1024, 512 << 20)? as u64)),
        _ => match parameters(call).iter().find(|(known, _)| *known == name) {
            Some((_, value)) if value == text => Ok(Change::Nothing),
            // Tools switch these off or on by habit; what they ask for is how it is.
            Some(_)
                if matches!(
                    name,
                    "save" | "notify-keyspace-events" | "maxmemory-samples" | "tcp-keepalive"
                ) =>
            {
                Ok(Change::Nothing)
            }
            Some(_) => Err("can't set immutable config".to_owned()),
            None => Err(String::new()),
        },
    }
}

pub(super) fn set(call: &mut Call<'_, '_, '_>) -> Result {
    if !call.args.len().is_multiple_of(2) {
        return Err(super::failure::wrong_arity("config|set"));
    }
    let mut changes = Vec::new();
    for place in (2..call.args.len()).step_by(2) {
        let name = String::from_utf8_lossy(call.args.at(place)).to_ascii_lowercase();
        let text = String::from_utf8_lossy(call.args.at(place + 1)).into_owned();
        match check(call, &name, &text) {
            Ok(change) => changes.push(change),
            Err(why) if why.is_empty() => {
                return Err(Failure::with(format!(
                    "ERR Unknown option or number of arguments for CONFIG SET - '{name}'"
                )));
            }
            Err(why) => {
                return Err(Failure::with(format!(
                    "ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"
                )));
            }
        }
    }
    let settings = &call.node.settings;
    for change in changes {
        match change {
            Change::MaxMemory(bytes) => {
                call.node.cache.set_limit(bytes);
                call.node.reclaim.notify_one();
            }
            Change::Policy(family, name) => {
                settings.set_policy(family, &name);
                call.section.set_policy(engine_policy(family));
            }
            Change::MaxClients(count) => settings.max_clients.store(count, Relaxed),
            Change::Timeout(seconds) => settings.idle_timeout_s.store(seconds, Relaxed),
            Change::SlowerThan(micros) => settings.slowlog_slower_than_us.store(micros, Relaxed),
            Change::SlowLogLength(length) => settings.slowlog_max_len.store(length, Relaxed),
            Change::MaxValue(bytes) => settings.max_value.store(bytes, Relaxed),
            Change::Nothing => {}
        }
    }
    call.reply.ok();
    Ok(())
}

pub(super) fn resetstat(call: &mut Call<'_, '_, '_>) -> Result {
    call.section.reset_stats();
    call.node.tallies.iter().for_each(|tally| tally.reset());
    call.node.control.reset();
    call.reply.ok();
    Ok(())
}

pub(super) fn help(call: &mut Call<'_, '_, '_>) -> Result {
    super::command_info::help_of(call, "config");
    Ok(())
}
