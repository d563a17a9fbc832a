//! `INFO`: sections of `field:value` lines, with the fields that tools read.

use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

use super::hello::REDIS_VERSION;
use super::outcome::{Call, Result};
use super::table::COMMANDS;
use super::tiers::{self, Told};

/// A section: its name, whether it is shown unasked, and what writes it.
type Section = (&'static str, bool, fn(&mut Call<'_, '_, '_>, &mut String));

const SECTIONS: [Section; 11] = [
    ("server", true, server),
    ("clients", true, clients),
    ("memory", true, memory),
    ("persistence", true, persistence),
    ("disk", true, disk),
    ("stats", true, stats),
    ("replication", true, replication),
    ("cpu", true, cpu),
    ("commandstats", false, commandstats),
    ("cluster", true, cluster),
    ("keyspace", true, keyspace),
];

pub(super) fn info(call: &mut Call<'_, '_, '_>) -> Result {
    let args = call.args;
    let is_asked = |word: &str| args.from(1).any(|name| name.eq_ignore_ascii_case(word.as_bytes()));
    let everything = is_asked("all") || is_asked("everything");
    let defaults = args.len() == 1 || is_asked("default");
    let mut text = String::with_capacity(4096);
    for (name, by_default, write) in SECTIONS {
        if everything || is_asked(name) || (defaults && by_default) {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            let mut title = name.to_owned();
            title[..1].make_ascii_uppercase();
            let _ = write!(text, "# {title}\r\n");
            write(call, &mut text);
        }
    }
    call.reply.verbatim(&text);
    Ok(())
}

fn field(text: &mut String, name: &str, value: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = write!(text, "{name}:{value}\r\n");
}

/// A size as people read it, in the style of Redis.
fn human(bytes: usize) -> String {
    const UNITS: [(&str, usize); 3] = [("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)];
    UNITS.iter().find(|(_, size)| bytes >= *size).map_or_else(
        || format!("{bytes}B"),
        |(unit, size)| format!("{:.2}{unit}", bytes as f64 / *size as f64),
    )
}

fn server(call: &mut Call<'_, '_, '_>, text: &mut String) {
    let node = call.node;
    let uptime = node.uptime_s();
    field(text, "redis_version", REDIS_VERSION);
    field(text, "larder_version", env!("CARGO_PKG_VERSION"));
    field(text, "redis_mode", "standalone");
    field(text, "os", format_args!("{} {}", std::env::consts::OS, std::env::consts::ARCH));
    field(text, "arch_bits", usize::BITS);
    field(text, "process_id", std::process::id());
    field(text, "run_id", &node.run_id);
    field(text, "tcp_port", node.port());
    field(text, "server_time_usec", larder_cache::clock::wall_nanos() / 1000);
    field(text, "uptime_in_seconds", uptime);
    field(text, "uptime_in_days", uptime / 86_400);
    field(text, "io_threads_active", u8::from(node.config.workers > 1));
    field(text, "workers", node.config.workers);
}

fn clients(call: &mut Call<'_, '_, '_>, text: &mut String) {
    let all = call.node.clients.all();
    field(text, "connected_clients", all.len());
    field(text, "maxclients", call.node.settings.max_clients.load(Relaxed));
    field(
        text,
        "client_recent_max_input_buffer",
        all.iter().map(|c| c.input_bytes.load(Relaxed)).max().unwrap_or(0),
    );
    field(
        text,
        "client_recent_max_output_buffer",
        all.iter().map(|c| c.output_bytes.load(Relaxed)).max().unwrap_or(0),
    );
    field(text, "blocked_clients", 0);
    field(text, "tracking_clients", 0);
}

fn memory(call: &mut Call<'_, '_, '_>, text: &mut String) {
    let figures = call.section.figures();
    let process = crate::metrics::collect::process();
    let buffers = call.node.buffers.held();
    let used = figures.used + buffers;
    field(text, "used_memory", used);
    field(text, "used_memory_human", human(used));
    field(text, "used_memory_rss", process.resident_bytes);
    field(text, "used_memory_rss_human", human(process.resident_bytes));
    field(text, "used_memory_peak", process.peak_resident_bytes);
    field(text, "used_memory_peak_human", human(process.peak_resident_bytes));
    field(text, "used_memory_dataset", figures.live);
    field(text, "used_memory_overhead", used - figures.live.min(used));
    field(text, "mem_clients_normal", buffers);
    field(text, "maxmemory", figures.limit);
    field(text, "maxmemory_human", human(figures.limit));
    field(text, "maxmemory_policy", call.node.settings.policy_name());
    let ratio = if used == 0 { 1.0 } else { process.resident_bytes as f64 / used as f64 };
    field(text, "mem_fragmentation_ratio", format_args!("{ratio:.2}"));
    field(text, "mem_allocator", "jemalloc");
}

fn persistence(_: &mut Call<'_, '_, '_>, text: &mut String) {
    for name in ["loading", "rdb_bgsave_in_progress", "aof_enabled", "aof_rewrite_in_progress"] {
        field(text, name, 0);
    }
}

fn disk(call: &mut Call<'_, '_, '_>, text: &mut String) {
    let (stats, figures) = (call.section.stats(), call.section.disk_figures());
    for (name, told) in tiers::fields(call.node.disk, &stats, figures.as_ref()) {
        match told {
            Told::Text(word) => field(text, name, word),
            Told::Number(number) => field(text, name, number),
        }
    }
    if let Some(figures) = figures {
        let ratio = figures.bytes_written as f64 / figures.bytes_admitted.max(1) as f64;
        field(text, "disk_write_amplification", format_args!("{ratio:.2}"));
    }
}

fn stats(call: &mut Call<'_, '_, '_>, text: &mut String) {
    let stats = call.section.stats();
    let node = call.node;
    field(text, "total_connections_received", node.sum(|tally| tally.connections.get()));
    field(text, "total_commands_processed", node.sum(crate::metrics::tally::Tally::calls));
    field(text, "total_net_input_bytes", node.sum(|tally| tally.bytes_in.get()));
    field(text, "total_net_output_bytes", node.sum(|tally| tally.bytes_out.get()));
    field(
        text,
        "rejected_connections",
        node.sum(|t| t.rejected_clients.get() + t.rejected_for_buffers.get() + t.rejected_for_files.get()),
    );
    field(text, "expired_keys", stats.expiries());
    field(text, "evicted_keys", stats.evictions());
    field(text, "evicted_clients", node.sum(|tally| tally.clients_closed_for_buffers.get()));
    field(text, "keyspace_hits", stats.hits);
    field(text, "keyspace_misses", stats.misses);
    field(text, "total_error_replies", node.sum(|tally| tally.failures.get()));
    field(text, "metrics_open_failures", node.metrics_failures.get());
    field(text, "pubsub_channels", 0);
    field(text, "pubsub_patterns", 0);
}

fn replication(_: &mut Call<'_, '_, '_>, text: &mut String) {
    field(text, "role", "master");
    field(text, "connected_slaves", 0);
    field(text, "master_repl_offset", 0);
}

fn cpu(_: &mut Call<'_, '_, '_>, text: &mut String) {
    let process = crate::metrics::collect::process();
    field(text, "used_cpu_sys", format_args!("{:.6}", process.system_seconds));
    field(text, "used_cpu_user", format_args!("{:.6}", process.user_seconds));
}

fn commandstats(call: &mut Call<'_, '_, '_>, text: &mut String) {
    for (row, command) in COMMANDS.iter().enumerate() {
        let calls = call.node.sum(|tally| tally.commands[row].calls());
        let failed = call.node.sum(|tally| tally.commands[row].failures.get());
        if calls + failed == 0 {
            continue;
        }
        let micros = call.node.sum(|tally| tally.commands[row].nanos.get()) / 1000;
        let each = micros as f64 / calls.max(1) as f64;
        let name = format!("cmdstat_{}", command.name);
        field(
            text,
            &name,
            format_args!(
                "calls={calls},usec={micros},usec_per_call={each:.2},rejected_calls=0,failed_calls={failed}"
            ),
        );
    }
}

fn cluster(_: &mut Call<'_, '_, '_>, text: &mut String) {
    field(text, "cluster_enabled", 0);
}

fn keyspace(call: &mut Call<'_, '_, '_>, text: &mut String) {
    for database in 0..call.node.cache.databases() {
        let held = call.section.database(database);
        if held.entries > 0 {
            let name = format!("db{database}");
            field(
                text,
                &name,
                format_args!("keys={},expires={},avg_ttl=0", held.entries, held.with_deadline),
            );
        }
    }
}
