//! What a full cache does under each policy, and what expires without being asked for.

use std::time::Duration;

use larder_tests::agent::Agent;
use larder_tests::http::Metrics;
use larder_tests::poll_until;
use larder_tests::resp::{Client, Value};

use super::{bulk, ok};

const LIMIT: Duration = Duration::from_secs(20);

fn oom() -> Value {
    Value::Error(b"OOM command not allowed when used memory > 'maxmemory'.".to_vec())
}

fn key(prefix: &str, number: usize) -> String {
    format!("{prefix}:{number}")
}

/// A value that tells which key it belongs to.
fn value(prefix: &str, number: usize, bytes: usize) -> String {
    format!("{:x<bytes$}", key(prefix, number))
}

/// Sets `count` keys and returns the numbers of those that were refused for want of memory.
fn fill(client: &mut Client, prefix: &str, count: usize, bytes: usize, options: &[&str]) -> Vec<usize> {
    let mut refused = Vec::new();
    for first in (0..count).step_by(500) {
        let numbers = first..count.min(first + 500);
        let commands: Vec<Vec<String>> = numbers
            .clone()
            .map(|number| {
                let words = ["SET".to_owned(), key(prefix, number), value(prefix, number, bytes)];
                words.into_iter().chain(options.iter().map(ToString::to_string)).collect()
            })
            .collect();
        for (number, reply) in numbers.zip(client.pipeline(&commands).expect("replies")) {
            if reply == oom() {
                refused.push(number);
            } else {
                assert_eq!(reply, ok());
            }
        }
    }
    refused
}

/// How many of the keys are there; their values must be their own.
fn present(client: &mut Client, prefix: &str, numbers: impl Iterator<Item = usize>, bytes: usize) -> usize {
    let numbers: Vec<_> = numbers.collect();
    let mut found = 0;
    for numbers in numbers.chunks(500) {
        let commands: Vec<_> =
            numbers.iter().map(|&number| ["GET".to_owned(), key(prefix, number)]).collect();
        for (&number, reply) in numbers.iter().zip(client.pipeline(&commands).expect("replies")) {
            if !reply.is_null() {
                assert_eq!(reply, bulk(&value(prefix, number, bytes)));
                found += 1;
            }
        }
    }
    found
}

fn agent_with(policy: &str) -> Agent {
    Agent::builder().args(&["--memory", "16MiB", "--maxmemory-policy", policy]).start()
}

#[test]
fn allkeys_takes_every_write() {
    let agent = agent_with("allkeys");
    let mut client = agent.client();
    assert_eq!(fill(&mut client, "k", 60_000, 1000, &[]), [0; 0]);
    let found = present(&mut client, "k", 0..60_000, 1000);
    assert!((5_000..30_000).contains(&found), "{found} of 60,000 in 16 MiB");
    let metrics = Metrics::of(&agent);
    assert!(metrics.value("larder_cache_memory_used_bytes") <= f64::from(16 << 20));
    assert_eq!(metrics.value("larder_out_of_memory_total"), 0.0);
}

#[test]
fn noeviction_keeps_everything_and_refuses_the_rest() {
    for bytes in [100, 1000, 5000] {
        let agent = agent_with("noeviction");
        let mut client = agent.client();
        let count = (32 << 20) / bytes;
        let refused = fill(&mut client, "k", count, bytes, &[]);
        assert!(refused.len() > count / 4, "only {} of {count} refused", refused.len());
        let refused: std::collections::HashSet<_> = refused.into_iter().collect();
        let kept = (0..count).filter(|number| !refused.contains(number));
        let expected = count - refused.len();
        assert_eq!(present(&mut client, "k", kept, bytes), expected, "keys of {bytes} bytes are gone");
        // Reading, deleting, expiring need no memory; then there is room again.
        for line in ["EXPIRE k:0 1000", "GET k:0", "TTL k:0", "PERSIST k:0"] {
            assert!(!client.call(line).is_error(), "{line}");
        }
        assert_eq!(client.call("APPEND k:0 x"), oom());
        assert_eq!(client.call("INCR n"), oom());
        assert_eq!(client.call("MSET a 1 b 2"), oom());
        for number in 0..count / 4 {
            client.call(&format!("DEL k:{number}"));
        }
        let room = poll_until(LIMIT, || (client.call("SET again v") == ok()).then_some(()));
        assert!(room.is_some(), "a quarter was deleted, and there is no room");
        assert!(Metrics::of(&agent).value("larder_out_of_memory_total") > 0.0);
        assert_eq!(Metrics::of(&agent).value("larder_cache_evictions_total{reason=\"capacity\"}"), 0.0);
        assert_eq!(Metrics::of(&agent).value("larder_cache_evictions_total{reason=\"probation\"}"), 0.0);
    }
}

#[test]
fn a_transaction_without_room_is_refused_whole() {
    let agent = agent_with("noeviction");
    let mut client = agent.client();
    fill(&mut client, "k", 60_000, 1000, &[]);
    assert_eq!(client.call("MULTI"), ok());
    let queued = client.call("SET a b");
    let executed = client.call("EXEC");
    assert!(
        queued == oom() && executed.text().is_some_and(|text| text.starts_with("EXECABORT")),
        "{queued:?} {executed:?}"
    );
    assert!(client.call("GET a").is_null());
}

#[test]
fn volatile_drops_only_what_has_a_ttl() {
    let agent = agent_with("volatile");
    let mut client = agent.client();
    assert_eq!(fill(&mut client, "keep", 5_000, 1000, &[]), [0; 0]);
    assert_eq!(fill(&mut client, "drop", 60_000, 1000, &["EX", "10000"]), [0; 0]);
    assert_eq!(present(&mut client, "keep", 0..5_000, 1000), 5_000);
    let dropped = 60_000 - present(&mut client, "drop", 0..60_000, 1000);
    assert!(dropped > 40_000, "{dropped}");
    // A key that loses its TTL is kept from then on.
    let last: Vec<_> = (0..60_000)
        .filter(|&number| !client.call(&format!("GET drop:{number}")).is_null())
        .take(500)
        .collect();
    for number in &last {
        assert_eq!(client.call(&format!("PERSIST drop:{number}")), Value::Int(1));
    }
    // When nothing with a TTL is left, writes are refused.
    let refused = fill(&mut client, "more", 30_000, 1000, &[]);
    assert!(refused.len() > 10_000, "{}", refused.len());
    assert_eq!(client.call("SETEX x 100 y"), oom());
    assert_eq!(present(&mut client, "keep", 0..5_000, 1000), 5_000);
    assert_eq!(present(&mut client, "drop", last.iter().copied(), 1000), last.len());
    let refused: std::collections::HashSet<_> = refused.into_iter().collect();
    let kept = (0..30_000).filter(|number| !refused.contains(number));
    assert_eq!(present(&mut client, "more", kept, 1000), 30_000 - refused.len());
}

#[test]
fn the_policy_changes_while_running() {
    let agent = agent_with("allkeys");
    let mut client = agent.client();
    assert_eq!(fill(&mut client, "k", 10_000, 1000, &[]), [0; 0]);
    let before = present(&mut client, "k", 0..10_000, 1000);
    assert_eq!(client.call("CONFIG SET maxmemory-policy noeviction"), ok());
    let refused = fill(&mut client, "l", 30_000, 1000, &[]);
    assert!(refused.len() > 10_000);
    assert_eq!(present(&mut client, "k", 0..10_000, 1000), before, "noeviction dropped a key");
    assert_eq!(client.call("CONFIG SET maxmemory-policy volatile-ttl"), ok());
    assert_eq!(client.call("SET x y"), oom());
    for number in 0..before {
        client.call(&format!("EXPIRE k:{number} 1000"));
    }
    assert_eq!(fill(&mut client, "m", 1000, 1000, &[]), [0; 0]);
    let without_ttl = 30_000 - refused.len();
    let refused: std::collections::HashSet<_> = refused.into_iter().collect();
    let kept = (0..30_000).filter(|number| !refused.contains(number));
    assert_eq!(present(&mut client, "l", kept, 1000), without_ttl);
    assert_eq!(client.call("CONFIG SET maxmemory-policy allkeys-lfu"), ok());
    assert_eq!(fill(&mut client, "n", 30_000, 1000, &[]), [0; 0]);
}

#[test]
fn every_name_of_redis_is_taken_and_told_back() {
    let agent = Agent::start();
    let mut client = agent.client();
    let told = |client: &mut Client| {
        let info = client.call("INFO memory").text().unwrap_or_default();
        let config = client.call("CONFIG GET maxmemory-policy").get("maxmemory-policy").and_then(Value::text);
        let line = info.lines().find_map(|line| line.strip_prefix("maxmemory_policy:")).map(str::to_owned);
        assert_eq!(line, config);
        config
    };
    assert_eq!(told(&mut client).as_deref(), Some("allkeys-lru"));
    for name in [
        "volatile-lru",
        "allkeys-lru",
        "volatile-lfu",
        "allkeys-lfu",
        "volatile-random",
        "allkeys-random",
        "volatile-ttl",
        "noeviction",
    ] {
        assert_eq!(client.call(&format!("CONFIG SET maxmemory-policy {name}")), ok());
        assert_eq!(told(&mut client).as_deref(), Some(name));
    }
    assert!(client.call("CONFIG SET maxmemory-policy nosuch").is_error());
    assert_eq!(told(&mut client).as_deref(), Some("noeviction"));
}

/// Whatever is expired goes without anybody asking for it, and its memory with it.
#[test]
fn what_expires_is_freed_unasked() {
    let agent = Agent::builder().args(&["--memory", "128MiB"]).start();
    let mut client = agent.client();
    let figure = |name: &str| Metrics::of(&agent).value(name);
    assert_eq!(fill(&mut client, "short", 30_000, 1000, &["PX", "1500"]), [0; 0]);
    assert_eq!(fill(&mut client, "long", 1_000, 1000, &["EX", "1000"]), [0; 0]);
    assert_eq!(fill(&mut client, "ever", 1_000, 1000, &[]), [0; 0]);
    let used = figure("larder_cache_memory_used_bytes");
    assert!(used > 30e6, "{used}");
    let entries = poll_until(LIMIT, || (client.call("DBSIZE") == Value::Int(2_000)).then_some(()));
    assert!(entries.is_some(), "DBSIZE is {:?}", client.call("DBSIZE"));
    assert_eq!(figure("larder_cache_entries"), 2_000.0);
    assert_eq!(figure("larder_cache_entries_with_ttl"), 1_000.0);
    assert_eq!(figure("larder_cache_expiries_total{found_by=\"reclaim\"}"), 30_000.0);
    let freed = poll_until(LIMIT, || (figure("larder_cache_memory_used_bytes") < used / 4.0).then_some(()));
    assert!(freed.is_some(), "{used} before, {} after", figure("larder_cache_memory_used_bytes"));
    assert_eq!(
        present(&mut client, "ever", 0..1000, 1000) + present(&mut client, "long", 0..1000, 1000),
        2_000
    );
}

#[test]
fn a_flush_frees_its_memory() {
    let agent = Agent::builder().args(&["--memory", "128MiB"]).start();
    let mut client = agent.client();
    let used = || Metrics::of(&agent).value("larder_cache_memory_used_bytes");
    let empty = used();
    for flush in ["FLUSHDB", "FLUSHALL ASYNC", "FLUSHALL SYNC"] {
        assert_eq!(fill(&mut client, "k", 30_000, 1000, &[]), [0; 0]);
        let full = used();
        assert!(full > 30e6, "{full}");
        assert_eq!(client.call(flush), ok());
        assert_eq!(client.call("DBSIZE"), Value::Int(0));
        let freed = poll_until(LIMIT, || (used() <= empty + 4e6).then_some(()));
        assert!(freed.is_some(), "{flush}: {full} before, {} after, {empty} when empty", used());
    }
}

/// Sizes that do not fit each other, with overwrites and deletions, where nothing may be dropped.
#[test]
fn noeviction_under_churn_always_answers() {
    let agent = agent_with("noeviction");
    let mut client = agent.client();
    let sizes = [10, 90, 400, 1100, 6_000, 40_000];
    let mut seed = 1_u64;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).expect("31 bits") % below
    };
    let mut refused = 0;
    for _ in 0..super::rounds(300, 3000) {
        let commands: Vec<Vec<String>> = (0..100)
            .map(|_| {
                let (name, size) = (key("k", random(5_000)), sizes[random(sizes.len())]);
                if random(10) < 7 {
                    vec!["SET".into(), name, "x".repeat(size)]
                } else {
                    vec!["DEL".into(), name]
                }
            })
            .collect();
        for reply in client.pipeline(&commands).unwrap() {
            refused += usize::from(reply == oom());
            assert!(reply == ok() || reply == oom() || reply.int().is_some(), "{reply:?}");
        }
    }
    assert!(refused > 0, "memory was never full: nothing was tested");
}
