//! `CONFIG`: the settings that tools of Redis read and write, by Redis's names.

use std::sync::atomic::Ordering::Relaxed;

use super::failure::{Failure, PATTERN_TOO_LONG, SYNTAX, shown};
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
        ("latency-monitor-threshold", settings.latency_threshold_ms.load(Relaxed).to_string()),
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

/// Patterns that one CONFIG GET takes.
const PATTERNS_MAX: usize = 64;

pub(super) fn get(call: &mut Call<'_, '_, '_>) -> Result {
    let patterns = call.args.from(2);
    if patterns.len() > PATTERNS_MAX {
        return Err(Failure::with(format!("ERR CONFIG GET takes {PATTERNS_MAX} patterns at most")));
    }
    if patterns.clone().any(|pattern| pattern.len() > glob::PATTERN_MAX) {
        return Err(PATTERN_TOO_LONG);
    }
    let wanted: Vec<Vec<u8>> = patterns.map(<[u8]>::to_ascii_lowercase).collect();
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
    LatencyThreshold(u64),
    MaxValue(u64),
    /// Accepted where it says what is so anyway.
    Nothing,
}

/// The change that a value of a known parameter, which now has another, asks for; or why it cannot be.
fn check(name: &str, now: &str, text: &str) -> std::result::Result<Change, String> {
    let within = |number: i64, low: i64, high: i64| {
        let is_within = (low..=high).contains(&number);
        is_within
            .then_some(number)
            .ok_or_else(|| format!("argument must be between {low} and {high} inclusive"))
    };
    let number = |low: i64, high: i64| {
        let number = parse_i64(text.as_bytes());
        within(number.ok_or_else(|| "argument couldn't be parsed into an integer".to_owned())?, low, high)
    };
    let size = || crate::config::parse_size(text).map_err(|_| "argument must be a memory value".to_owned());
    match name {
        "maxmemory" => {
            let bytes = size()?;
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
        "slowlog-max-len" => Ok(Change::SlowLogLength(number(0, i64::MAX)? as u64)),
        "latency-monitor-threshold" => Ok(Change::LatencyThreshold(number(0, i64::MAX)? as u64)),
        "proto-max-bulk-len" => {
            let bytes = i64::try_from(size()?).unwrap_or(i64::MAX);
            Ok(Change::MaxValue(within(bytes, 1024, 512 << 20)? as u64))
        }
        // Tools switch these off or on by habit; what they ask for is how it is.
        "save" | "notify-keyspace-events" => Ok(Change::Nothing),
        "maxmemory-samples" | "tcp-keepalive" => number(0, i64::from(i32::MAX)).map(|_| Change::Nothing),
        _ if text == now => Ok(Change::Nothing),
        _ => Err("can't set immutable config".to_owned()),
    }
}

fn refused(name: &str, why: &str) -> Failure {
    Failure::with(format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"))
}

/// All changes that CONFIG SET asks for: names are looked at before values, and if one is wrong none is made.
fn changes(call: &Call<'_, '_, '_>) -> std::result::Result<Vec<Change>, Failure> {
    let args = call.args;
    let known = parameters(call);
    let mut asked: Vec<(&(&str, String), &[u8])> = Vec::new();
    for place in (2..args.len()).step_by(2) {
        let parameter = known.iter().find(|(name, _)| args.is(place, name)).ok_or_else(|| {
            let name = shown(args.at(place));
            Failure::with(format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'"))
        })?;
        if asked.iter().any(|(other, _)| other.0 == parameter.0) {
            return Err(refused(&shown(args.at(place)), "duplicate parameter"));
        }
        asked.push((parameter, args.at(place + 1)));
    }
    let check = |((name, now), value): (&(&str, String), &[u8])| {
        // What is no text is no value either.
        let text = std::str::from_utf8(value).unwrap_or("\u{FFFD}");
        check(name, now, text).map_err(|why| refused(name, &why))
    };
    asked.into_iter().map(check).collect()
}

pub(super) fn set(call: &mut Call<'_, '_, '_>) -> Result {
    if !call.args.len().is_multiple_of(2) {
        return Err(SYNTAX);
    }
    let changes = changes(call)?;
    let settings = &call.node.settings;
    for change in changes {
        match change {
            Change::MaxMemory(bytes) => call.node.set_memory(bytes),
            Change::Policy(family, name) => {
                settings.set_policy(family, &name);
                call.section.set_policy(engine_policy(family));
            }
            Change::MaxClients(count) => settings.max_clients.store(count, Relaxed),
            Change::Timeout(seconds) => settings.idle_timeout_s.store(seconds, Relaxed),
            Change::SlowerThan(micros) => settings.slowlog_slower_than_us.store(micros, Relaxed),
            Change::SlowLogLength(length) => settings.slowlog_max_len.store(length, Relaxed),
            Change::LatencyThreshold(ms) => settings.latency_threshold_ms.store(ms, Relaxed),
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
