//! The metrics page: well formed, and every counter moves when and as it should.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use larder_tests::agent::Agent;
use larder_tests::http::{Metrics, get};
use larder_tests::poll_until;
use larder_tests::resp::{Client, Value};

const LIMIT: Duration = Duration::from_secs(10);

/// What has changed between two scrapes around `act`; the page itself is fetched over no client connection.
fn change(agent: &Agent, samples: &[&str], act: impl FnOnce()) -> Vec<f64> {
    let before = Metrics::of(agent);
    act();
    let after = Metrics::of(agent);
    samples.iter().map(|sample| after.value(sample) - before.value(sample)).collect()
}

fn promtool(page: &str) {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("promtool cannot be run ({error}): apt-get install prometheus"));
    child.stdin.take().expect("a pipe").write_all(page.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}\n{page}", String::from_utf8_lossy(&said));
}

#[test]
fn promtool_finds_nothing_before_and_after_work() {
    let agent = Agent::start();
    let first = Metrics::of(&agent);
    promtool(&first.page);
    let mut client = agent.client();
    for line in [
        "SET k v",
        "GET k",
        "GET none",
        "INCR k",
        "NOSUCH",
        "GET",
        "MULTI",
        "GET k",
        "EXEC",
        "CLIENT LIST",
        "HELLO 3",
    ] {
        client.call(line);
    }
    let second = Metrics::of(&agent);
    promtool(&second.page);
    // Whatever there is from the start stays; help and type stand before every family.
    for metrics in [&first, &second] {
        for required in [
            "larder_build_info",
            "larder_cache_hits_total",
            "larder_clients",
            "larder_workers",
            "process_resident_memory_bytes",
        ] {
            assert!(
                metrics.page.contains(&format!("# HELP {required} ")),
                "no {required}:\n{}",
                metrics.page
            );
            assert!(metrics.page.contains(&format!("# TYPE {required} ")));
        }
    }
    assert!(!agent.log().contains("ERROR"), "{}", agent.log());
}

#[test]
fn hits_misses_fills_and_their_like() {
    let agent = Agent::start();
    let mut client = agent.client();
    let samples = [
        "larder_cache_hits_total",
        "larder_cache_misses_total",
        "larder_cache_fills_total",
        "larder_cache_overwrites_total",
        "larder_cache_deletions_total",
        "larder_cache_flushed_total",
        "larder_cache_entries",
        "larder_cache_entries_with_ttl",
    ];
    let mut expect = |lines: &[&str], expected: [i32; 8]| {
        let found = change(&agent, &samples, || lines.iter().for_each(|line| drop(client.call(line))));
        assert_eq!(found, expected.map(f64::from), "{lines:?} changes {samples:?}");
    };
    expect(&["GET k", "GET k", "GET k"], [0, 3, 0, 0, 0, 0, 0, 0]);
    expect(&["SET k v", "SET k w", "SET l v EX 100"], [0, 0, 2, 1, 0, 0, 2, 1]);
    expect(&["GET k", "MGET k l none", "STRLEN k", "EXISTS k none", "TTL k"], [4, 1, 0, 0, 0, 0, 0, 0]);
    expect(&["PERSIST l", "EXPIRE k 100", "EXPIRE k 200"], [0, 0, 0, 0, 0, 0, 0, 0]);
    expect(&["DEL k none", "UNLINK l"], [0, 0, 0, 0, 2, 0, -2, -1]);
    expect(&["MSET a 1 b 2 c 3", "SELECT 1", "SET a 1", "FLUSHDB", "SELECT 0"], [0, 0, 4, 0, 0, 1, 3, 0]);
    expect(&["FLUSHALL"], [0, 0, 0, 0, 0, 3, -3, 0]);
}

#[test]
fn commands_are_counted_by_name_with_failures_and_times() {
    let agent = Agent::builder().args(&["--workers", "2"]).start();
    let samples = [
        "larder_commands_total{command=\"get\"}",
        "larder_commands_total{command=\"set\"}",
        "larder_command_failures_total{command=\"incr\"}",
        "larder_unknown_commands_total",
        "larder_command_duration_seconds_count{command=\"get\"}",
        "larder_command_duration_seconds_bucket{command=\"get\",le=\"+Inf\"}",
    ];
    let found = change(&agent, &samples, || {
        // On both workers.
        for mut client in [agent.client(), agent.client()] {
            client.call("SET k text");
            client.pipeline(&[["GET", "k"]; 50]).unwrap();
            assert!(client.call("INCR k").is_error());
            for line in ["NOSUCH", "EVAL x 0", "CLIENT NOSUCH"] {
                assert!(client.call(line).is_error(), "{line}");
            }
        }
    });
    assert_eq!(found[..3], [100.0, 2.0, 2.0]);
    assert!(found[3] >= 4.0, "{found:?}");
    assert_eq!(found[4..], [100.0, 100.0]);
    // However many names clients invent, the page does not grow by them.
    let before = Metrics::of(&agent).page.lines().count();
    let mut client = agent.client();
    for number in 0..500 {
        client.call(&format!("INVENTED{number} x"));
    }
    assert_eq!(Metrics::of(&agent).page.lines().count(), before);
}

#[test]
fn evictions_by_reason() {
    let agent = Agent::builder().args(&["--memory", "8MiB"]).start();
    let mut client = agent.client();
    let value = "x".repeat(1000);
    let mut fill = |prefix: &str, reads: usize| {
        for number in 0..20_000 {
            let key = format!("{prefix}:{number}");
            let batch: Vec<_> = std::iter::once(vec!["SET", &key, &value])
                .chain((0..reads).map(|_| vec!["GET", &key]))
                .collect();
            client.pipeline(&batch).unwrap();
        }
    };
    let samples = [
        "larder_cache_evictions_total{reason=\"probation\"}",
        "larder_cache_evictions_total{reason=\"capacity\"}",
        "larder_cache_fills_total",
        "larder_cache_entries",
    ];
    let unread = change(&agent, &samples, || fill("once", 0));
    assert!(unread[0] > 10_000.0, "{unread:?}");
    let read = change(&agent, &samples, || fill("often", 3));
    assert!(read[1] > 5_000.0, "entries that were read leave for want of room: {read:?}");
    // Every fill is there, or was evicted.
    let total = [0, 1, 2, 3].map(|place| unread[place] + read[place]);
    assert_eq!(total[0] + total[1] + total[3], total[2]);
    assert_eq!(
        Metrics::of(&agent).value("larder_cache_entries"),
        client.call("DBSIZE").int().unwrap() as f64
    );
    assert!(Metrics::of(&agent).value("larder_cache_memory_used_bytes") <= f64::from(8 << 20));
}

#[test]
fn expiries_by_finder() {
    let agent = Agent::start();
    let mut client = agent.client();
    let metric = |name: &str| {
        Metrics::of(&agent).value(&format!("larder_cache_expiries_total{{found_by=\"{name}\"}}"))
    };
    for number in 0..100 {
        client.call(&format!("SET k:{number} v PX 50"));
    }
    let all = poll_until(LIMIT, || (metric("access") + metric("reclaim") == 100.0).then_some(()));
    assert!(all.is_some(), "{} by access, {} by reclaim", metric("access"), metric("reclaim"));
    let reclaimed = metric("reclaim");
    assert!(reclaimed > 0.0);
    // Asked for in the moment in which it is due, it is found by access.
    let found = poll_until(LIMIT, || {
        let before = metric("access");
        client.call("SET k v PX 1");
        poll_until(LIMIT, || client.call("GET k").is_null().then_some(()));
        (metric("access") > before).then_some(())
    });
    assert!(found.is_some());
}

#[test]
fn clients_bytes_and_passwords() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("password");
    std::fs::write(&file, "sesame").unwrap();
    let agent = Agent::builder()
        .tcp()
        .args(&["--max-clients", "3", "--password-file", file.to_str().unwrap()])
        .start();
    let none = poll_until(LIMIT, || (Metrics::of(&agent).value("larder_clients") == 0.0).then_some(()));
    assert!(none.is_some());
    let samples = [
        "larder_connections_total",
        "larder_clients",
        "larder_clients_rejected_total{reason=\"limit\"}",
        "larder_wrong_passwords_total",
        "larder_clients_closed_total{reason=\"protocol\"}",
        "larder_network_received_bytes_total",
        "larder_network_sent_bytes_total",
    ];
    let mut kept = Vec::new();
    let found = change(&agent, &samples, || {
        let mut first = agent.client();
        let mut second = Client::connect_tcp(agent.tcp()).unwrap();
        for client in [&mut first, &mut second] {
            assert!(client.call("AUTH wrong").is_error());
            assert!(client.call("HELLO 2 AUTH default wrong").is_error());
            assert_eq!(client.call("AUTH sesame"), Value::Simple(b"OK".to_vec()));
        }
        let mut third = agent.client();
        third.send_raw(b"*1\r\n:1\r\n").unwrap();
        while third.read().is_ok() {}
        let place = poll_until(LIMIT, || {
            let mut third = agent.client();
            third.call("AUTH sesame").is_error().then_some(()).is_none().then_some(third)
        });
        kept.extend([first, second, place.expect("a place")]);
        // Refused, it reads the reason.
        assert!(agent.client().read().unwrap().is_error());
    });
    let connections = found[0];
    assert!(connections >= 5.0, "{found:?}");
    assert_eq!(found[1..5], [3.0, connections - 4.0, 4.0, 1.0], "{samples:?} {found:?}");
    assert!(found[5] > 100.0 && found[6] > 50.0, "{found:?}");
    // Bytes are counted as they are; those sent a moment after the client has them.
    let before = Metrics::of(&agent);
    kept[0].send_raw(b"*2\r\n$4\r\nECHO\r\n$1000\r\n").unwrap();
    kept[0].send_raw(&[b"x".repeat(1000), b"\r\n".to_vec()].concat()).unwrap();
    kept[0].read().unwrap();
    let counted = poll_until(LIMIT, || {
        let after = Metrics::of(&agent);
        let [received, sent] = [5, 6].map(|place| after.value(samples[place]) - before.value(samples[place]));
        (received >= 1023.0 && sent >= 1009.0).then_some((received, sent))
    });
    assert_eq!(counted, Some((1023.0, 1009.0)));
}

#[test]
fn gauges_show_limits_and_buffers() {
    let agent = Agent::builder().args(&["--memory", "64MiB", "--max-clients", "77"]).start();
    let metrics = Metrics::of(&agent);
    assert_eq!(metrics.value("larder_cache_memory_limit_bytes"), f64::from(64 << 20));
    assert_eq!(metrics.value("larder_client_buffers_limit_bytes"), f64::from(16 << 20));
    assert_eq!(metrics.value("larder_clients_limit"), 77.0);
    assert_eq!(
        metrics.value(&format!("larder_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))),
        1.0
    );
    let rss = metrics.value("process_resident_memory_bytes");
    assert!((1e6..100e6).contains(&rss), "{rss}");
    let mut client = agent.client();
    client.send_raw(&[b"*2\r\n$3\r\nGET\r\n$5000000\r\n", &[b'x'; 1_000_000][..]].concat()).unwrap();
    let held =
        poll_until(LIMIT, || (Metrics::of(&agent).value("larder_client_buffers_bytes") >= 1e6).then_some(()));
    assert!(held.is_some(), "a torn megabyte is not shown");
    drop(client);
    let free =
        poll_until(LIMIT, || (Metrics::of(&agent).value("larder_client_buffers_bytes") == 0.0).then_some(()));
    assert!(free.is_some(), "{}", Metrics::of(&agent).value("larder_client_buffers_bytes"));
    assert_eq!(get(agent.metrics(), "/livez").unwrap(), (200, "ok\n".to_owned()));
    assert_eq!(get(agent.metrics(), "/").unwrap().0, 404);
}

#[test]
fn resetting_the_statistics_starts_counters_anew() {
    let agent = Agent::start();
    let mut client = agent.client();
    client.call("SET k v");
    client.call("GET k");
    assert_eq!(client.call("CONFIG RESETSTAT"), Value::Simple(b"OK".to_vec()));
    let metrics = Metrics::of(&agent);
    assert_eq!(metrics.value("larder_cache_hits_total"), 0.0);
    assert_eq!(metrics.value("larder_commands_total{command=\"get\"}"), 0.0);
    assert_eq!(metrics.value("larder_cache_entries"), 1.0);
    assert_eq!(metrics.value("larder_clients"), 1.0);
}

/// The families of the disk tier that a page has.
fn disk_families(metrics: &Metrics) -> Vec<&str> {
    let families = metrics.page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    families.filter(|name| name.starts_with("larder_disk_") || name.starts_with("larder_journal_")).collect()
}

/// The sum of all samples of a family with one label.
fn sum(metrics: &Metrics, family: &str) -> f64 {
    let samples = metrics.page.lines().filter(|line| line.starts_with(&format!("{family}{{")));
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[test]
fn the_state_of_the_disk_is_told_always_and_the_rest_where_there_is_one() {
    let off = Metrics::of(&Agent::start());
    assert_eq!(disk_families(&off), ["larder_disk_state"]);
    assert_eq!(off.value("larder_disk_state{state=\"off\"}"), 1.0);
    assert_eq!(sum(&off, "larder_disk_state"), 1.0);
    // Too little remains of the volume.
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("disk");
    let agent = Agent::builder().args(&["--disk", path.to_str().unwrap(), "--volume-limit", "4MiB"]).start();
    let degraded = Metrics::of(&agent);
    promtool(&degraded.page);
    assert_eq!(disk_families(&degraded), ["larder_disk_state", "larder_disk_degraded"]);
    assert_eq!(degraded.value("larder_disk_state{state=\"degraded\"}"), 1.0);
    assert_eq!(degraded.value("larder_disk_degraded"), 1.0);
}

#[test]
fn counters_of_both_tiers_agree() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("disk");
    // Eight times as much as memory, and twice as much as the disk, which turns over.
    let flags = ["--memory", "8MiB", "--disk-size", "32MiB", "--disk", path.to_str().unwrap()];
    let mut agent = Agent::builder().args(&flags).start();
    let mut client = agent.client();
    let value = "x".repeat(1000);
    let (mut hits, mut misses) = (0, 0);
    for first in (0..64_000).step_by(100) {
        // What is read before it leaves is written to disk whatever has to make room there; some is read when it lies there.
        let batch: Vec<_> = (first..first + 100)
            .flat_map(|number| {
                let read = if number % 3 == 0 { number / 7 * 6 } else { number };
                let (key, read) = (format!("k:{number}"), format!("k:{read}"));
                [vec!["SET".to_owned(), key, value.clone()], vec!["GET".to_owned(), read]]
            })
            .collect();
        for reply in client.pipeline(&batch).unwrap().into_iter().skip(1).step_by(2) {
            *(if reply.is_null() { &mut misses } else { &mut hits }) += 1;
        }
        // Who outruns the device has entries dropped instead.
        let is_taken = |text: &str| text.lines().any(|line| line == "disk_flush_queue_segments:0");
        poll_until(LIMIT, || client.call("INFO disk").text().filter(|text| is_taken(text)));
    }
    let moving = |metrics: &Metrics| {
        let gone = sum(metrics, "larder_cache_evictions_total") + sum(metrics, "larder_disk_demotions_total");
        [metrics.value("larder_disk_flush_queue_segments"), metrics.value("larder_disk_entries"), gone]
    };
    let still = poll_until(LIMIT, || {
        let (first, second) = (Metrics::of(&agent), Metrics::of(&agent));
        (moving(&first) == moving(&second) && moving(&first)[0] == 0.0).then_some(second)
    });
    let found = still.expect("what is written out comes to an end");
    promtool(&found.page);
    let of = |name: &str| found.value(&format!("larder_{name}"));

    assert_eq!(of("disk_state{state=\"on\"}") - of("disk_degraded"), 1.0);
    assert_eq!([of("cache_hits_total"), of("cache_misses_total")], [f64::from(hits), f64::from(misses)]);
    assert_eq!(of("cache_entries"), client.call("DBSIZE").int().unwrap() as f64);
    // Every fill is there, or was evicted.
    let evicted = sum(&found, "larder_cache_evictions_total");
    let gone = evicted + of("disk_evictions_total") + of("disk_entries_lost_total");
    assert_eq!(of("cache_fills_total") - gone, of("cache_entries"), "{}", found.page);
    // Whatever leaves memory is taken by the disk, or lost.
    assert_eq!(evicted, sum(&found, "larder_disk_refusals_total"));
    assert!(of("disk_refusals_total{reason=\"unread\"}") > 0.0, "{}", found.page);
    let came = sum(&found, "larder_disk_demotions_total");
    let left = of("disk_promotions_total") + of("disk_evictions_total") + of("disk_entries_lost_total");
    assert_eq!(came - left, of("disk_entries"), "{}", found.page);

    for moved in [
        "disk_hits_total",
        "disk_promotions_total",
        "disk_demotions_total{kind=\"written\"}",
        "disk_evictions_total",
        "disk_segments_reclaimed_total",
        "disk_write_duration_seconds_count",
        "journal_appends_total",
        "journal_commits_total",
        "journal_size_bytes",
    ] {
        assert!(of(moved) > 0.0, "{moved} has not moved:\n{}", found.page);
    }
    assert!(of("disk_hits_total") <= of("cache_hits_total"));
    assert!(of("disk_used_bytes") <= of("disk_capacity_bytes"));
    assert!(of("disk_segments") <= of("disk_segments_written_total") + 4.0);
    assert!(of("disk_ledger_bytes") <= of("cache_memory_used_bytes"));
    assert!(of("journal_appended_bytes_total") >= of("journal_appends_total"));
    let amplification = of("disk_written_bytes_total") / of("disk_admitted_bytes_total");
    assert!((0.9..3.0).contains(&amplification), "{amplification}");
    for fault in [
        "disk_read_failures_total{reason=\"damaged\"}",
        "disk_write_failures_total",
        "disk_segments_lost_total",
        "disk_timeouts_total",
        "disk_reopened_total",
        "journal_failures_total",
        "journal_poisoned",
    ] {
        assert!(found.has(&format!("larder_{fault}")), "no {fault}:\n{}", found.page);
        assert_eq!(of(fault), 0.0, "{fault}");
    }
    let cold = Metrics::of(&agent);
    assert_eq!(cold.value("larder_disk_recoveries_total{reason=\"no_journal\"}"), 1.0);
    assert_eq!(sum(&cold, "larder_disk_recoveries_total"), 1.0);

    drop(client);
    assert_eq!(agent.terminate().code(), Some(0));
    let agent = Agent::builder().args(&flags).start();
    let warm = Metrics::of(&agent);
    promtool(&warm.page);
    assert_eq!(warm.value("larder_disk_recoveries_total{reason=\"warm\"}"), 1.0);
    let recovered = warm.value("larder_disk_recovered_entries");
    assert!(recovered > 5_000.0, "{}", warm.page);
    assert_eq!(recovered, warm.value("larder_cache_entries"));
    assert_eq!(recovered, warm.value("larder_disk_entries"));
    assert_eq!(warm.value("larder_disk_recovered_segments"), warm.value("larder_disk_segments"));
}
