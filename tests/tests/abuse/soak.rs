//! Days of an ordinary application in minutes: all kinds of writes over values of all sizes, more than memory and disk hold, in a
//! cgroup that the agent fills, page cache included.
//!
//! `LARDER_SOAK_SECONDS` is for how long each of them runs.

mod load;
mod watch;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use larder_tests::agent::Agent;
use larder_tests::http::Metrics;
use larder_tests::resp::Value;
use tempfile::TempDir;

use super::MIB;
use super::arena::Arena;
use load::{Done, Load, PHASES};
use watch::Watch;

const CLIENTS: u64 = 6;

/// Less than is written meanwhile, so that segments are given up as well.
fn disk() -> &'static str {
    if super::thoroughly() { "96MiB" } else { "24MiB" }
}

fn lasts() -> Duration {
    let given = std::env::var("LARDER_SOAK_SECONDS").ok();
    let seconds = given.map_or(super::amount(18, 330) as u64, |text| text.parse().expect("seconds"));
    Duration::from_secs(seconds)
}

/// How the agent is set up.
#[derive(Clone, Copy)]
struct Setting {
    limit: usize,
    workers: &'static str,
    has_disk: bool,
}

/// Loads an agent for some time and says how much it took.
fn soak(setting: Setting) {
    let directory = TempDir::with_prefix("larder-soak-").expect("a temporary directory can be made");
    let mut builder = Agent::builder().args(&["--workers", setting.workers]);
    if setting.has_disk {
        let path = directory.path().join("disk").display().to_string();
        builder = builder.args(&["--disk", &path, "--disk-size", disk()]);
    }
    let arena = Arena::with(setting.limit, builder);
    assert!(!arena.agent.log().contains("no disk tier"), "{}", arena.agent.log());
    let (begun, lasts) = (Instant::now(), lasts());
    let (is_over, longest) = (AtomicBool::new(false), arena.max_value());
    let (watch, done) = std::thread::scope(|threads| {
        let watch = threads.spawn(|| Watch::until(&arena, &is_over));
        let load = |number| {
            let load = Load::new(number, &arena.agent, longest);
            // Each size of values comes and goes several times.
            threads.spawn(move || load.run(begun, lasts, lasts / (3 * PHASES)))
        };
        let clients: Vec<_> = (0..CLIENTS).map(load).collect();
        let done: Vec<_> = clients.into_iter().map(ScopedJoinHandle::join).collect();
        is_over.store(true, Relaxed);
        let done: Done = done.into_iter().map(|done| done.expect("a client is served")).sum();
        (watch.join().expect("it is watched"), done)
    });
    println!(
        "{} MiB, {} workers, {}: {}",
        setting.limit / MIB,
        setting.workers,
        if setting.has_disk { "over a disk" } else { "in memory" },
        watch.report(done, &arena)
    );
    // Together they may want more on its way than clients may have: then the one that has most is closed.
    let closed = Metrics::of(&arena.agent).value("larder_clients_closed_total{reason=\"buffers\"}");
    assert!(done.closed <= closed as u64, "{} lost, {closed} closed for their buffers", done.closed);
    assert!(done.refused * 10_000 <= done.commands, "{} of {} refused", done.refused, done.commands);
    let told = arena.agent.client().call("LARDER.INFO");
    let count = |name: &str| told.get(name).and_then(Value::int).unwrap_or_default();
    if setting.has_disk {
        for name in ["disk_demotions_written", "disk_hits", "disk_promotions", "disk_segments_reclaimed"] {
            assert!(count(name) > 0, "nothing was shown, {name} is 0: {told:?}");
        }
        assert_eq!(told.get("disk_state").and_then(Value::text).as_deref(), Some("on"));
        assert_eq!(count("disk_read_failures") + count("disk_write_failures"), 0);
    }
    assert!(arena.agent.vm_hwm() < setting.limit as u64, "{}", arena.agent.vm_hwm());
    arena.verdict();
}

#[test]
fn mixed_load_over_a_disk_at_the_cap() {
    soak(Setting { limit: 128 * MIB, workers: "1", has_disk: true });
}

/// The same otherwise, where there is time for it.
fn soak_thoroughly(limit: usize, workers: &'static str, has_disk: bool) {
    if super::thoroughly() {
        soak(Setting { limit, workers, has_disk });
    }
}

#[test]
fn mixed_load_over_a_disk_and_two_workers() {
    soak_thoroughly(128 * MIB, "2", true);
}

#[test]
fn mixed_load_over_a_disk_and_more_memory() {
    soak_thoroughly(256 * MIB, "1", true);
}

#[test]
fn mixed_load_over_a_disk_and_two_workers_with_more_memory() {
    soak_thoroughly(256 * MIB, "2", true);
}

/// What the disk tier adds is seen beside this.
#[test]
fn mixed_load_in_memory() {
    soak_thoroughly(128 * MIB, "1", false);
}
