//! What `INFO`, `LARDER.INFO` and `LARDER.WHY` tell of a cache over a disk.

use std::collections::BTreeMap;
use std::time::Duration;

use larder_tests::agent::Agent;
use larder_tests::poll_until;
use larder_tests::resp::{Client, Value};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(20);
/// Of a kilobyte each: more than twice the memory, and a fraction of the disk.
const ENTRIES: usize = 20_000;

fn directory() -> TempDir {
    TempDir::with_prefix("larder-telling-").expect("a temporary directory can be made")
}

fn agent(disk: &TempDir, more: &[&str]) -> Agent {
    let path = disk.path().join("disk");
    let disk =
        ["--memory", "8MiB", "--disk-size", "128MiB", "--disk", path.to_str().expect("a path of text")];
    Agent::builder().args(&disk).args(more).start()
}

/// Stores entries, and lets the disk take them: who outruns it loses some.
fn fill(client: &mut Client, options: &[&str]) {
    let value = "v".repeat(1000);
    for first in (0..ENTRIES).step_by(100) {
        let batch: Vec<Vec<String>> = (first..first + 100)
            .map(|number| {
                let words = ["SET".to_owned(), name_of(number), value.clone()];
                words.into_iter().chain(options.iter().map(ToString::to_string)).collect()
            })
            .collect();
        client.pipeline(&batch).expect("replies");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn name_of(number: usize) -> String {
    format!("key:{number}")
}

/// The fields of a section of `INFO`.
fn info(client: &mut Client, section: &str) -> BTreeMap<String, String> {
    let text = client.call(&format!("INFO {section}")).text().expect("a text");
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The fields of a map, as text.
fn map(reply: &Value) -> BTreeMap<String, String> {
    let items = reply.items().expect("a map as an array");
    let text =
        |value: &Value| value.text().or_else(|| value.int().map(|int| int.to_string())).unwrap_or_default();
    items.chunks(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

fn number(fields: &BTreeMap<String, String>, name: &str) -> u64 {
    fields.get(name).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {name} in {fields:?}"))
}

/// How often each answer is given about all keys to the question for a field.
fn census(client: &mut Client, field: &str) -> BTreeMap<String, usize> {
    let mut census = BTreeMap::new();
    for first in (0..ENTRIES).step_by(100) {
        let batch: Vec<_> =
            (first..first + 100).map(|number| ["LARDER.WHY".to_owned(), name_of(number)]).collect();
        for reply in client.pipeline(&batch).expect("replies") {
            if let Some(word) = map(&reply).remove(field) {
                *census.entry(word).or_default() += 1;
            }
        }
    }
    census
}

#[test]
fn entries_in_memory_and_on_disk_are_told_apart() {
    let disk = directory();
    let mut agent = agent(&disk, &[]);
    let mut client = agent.client();
    fill(&mut client, &[]);
    let quiet =
        poll_until(LIMIT, || (info(&mut client, "disk")["disk_flush_queue_segments"] == "0").then_some(()));
    assert!(quiet.is_some(), "{:?}", info(&mut client, "disk"));

    let told = info(&mut client, "stats disk");
    assert_eq!((told["disk_state"].as_str(), told["disk_recovery"].as_str()), ("on", "no_journal"));
    let on_disk = number(&told, "disk_entries");
    assert!(on_disk > ENTRIES as u64 / 4, "{told:?}");
    assert!(number(&told, "disk_used_bytes") <= number(&told, "disk_capacity_bytes"), "{told:?}");
    assert!(number(&told, "disk_ledger_bytes") >= on_disk * 8, "{told:?}");
    assert!(number(&told, "journal_appends") >= number(&told, "disk_segments_written"), "{told:?}");
    let ratio: f64 = told["disk_write_amplification"].parse().expect("a ratio");
    assert!((0.9..2.0).contains(&ratio), "{told:?}");

    // What the disk took is not lost; what it did not take is.
    let refused: u64 =
        told.keys().filter(|name| name.starts_with("disk_refused_")).map(|name| number(&told, name)).sum();
    assert_eq!(number(&told, "evicted_keys"), refused + number(&told, "disk_evicted"));

    let larder = map(&client.call("LARDER.INFO"));
    let entries = number(&larder, "entries");
    assert_eq!(number(&larder, "memory_entries") + number(&larder, "disk_entries"), entries);
    let here = |name: &&String| name.starts_with("disk") || name.starts_with("journal");
    let missing: Vec<_> = told.keys().filter(here).filter(|name| !larder.contains_key(*name)).collect();
    assert_eq!(missing, ["disk_write_amplification"], "LARDER.INFO has what INFO has");

    // Those that are packed into a segment which is not sealed yet count as being in memory. Replies take room from the cache, so
    // some may leave meanwhile.
    let tiers = census(&mut client, "tier");
    let there = tiers.values().sum::<usize>() as u64;
    let after = client.call("DBSIZE").int().expect("a number") as u64;
    assert!((after..=entries).contains(&there), "{there} are told of, of {entries} and {after}");
    let sealed = tiers["disk"] as u64;
    assert!(sealed <= there && sealed * 10 >= on_disk * 8, "{tiers:?} {told:?}");

    // To ask why is not to read.
    let before = number(&info(&mut client, "disk"), "disk_hits");
    assert_eq!(before, 0);
    let all: Vec<_> = (0..ENTRIES).map(|number| ["GET".to_owned(), name_of(number)]).collect();
    let found = all.chunks(100).flat_map(|batch| client.pipeline(batch).expect("replies"));
    let found = found.filter(|reply| !reply.is_null()).count() as u64;
    let larder = map(&client.call("LARDER.INFO"));
    assert_eq!(number(&larder, "memory_hits") + number(&larder, "disk_hits"), found);
    assert!(number(&larder, "disk_hits") > 0, "{larder:?}");

    drop(client);
    assert_eq!(agent.terminate().code(), Some(0));
    let log = agent.log();
    let agent = self::agent(&disk, &[]);
    let told = info(&mut agent.client(), "disk");
    assert_eq!((told["disk_recovery"].as_str(), told["disk_recovery_was_clean"].as_str()), ("warm", "1"));
    assert!(
        number(&told, "disk_recovered_entries") * 100 >= found * 99,
        "{found} were there: {told:?}\n{log}"
    );
}

#[test]
fn what_admission_refused_is_told() {
    let disk = directory();
    let agent = agent(&disk, &["--disk-min-ttl", "1h"]);
    let mut client = agent.client();
    fill(&mut client, &["EX", "1000"]);
    let told = info(&mut client, "stats disk");
    assert_eq!(number(&told, "disk_entries"), 0, "{told:?}");
    assert_eq!(number(&told, "disk_refused_ttl"), number(&told, "evicted_keys"));
    // Only the last departures are remembered.
    let reasons = census(&mut client, "reason");
    assert!(reasons["refused by admission"] > 50, "{reasons:?}");
    assert!(!reasons.contains_key("evicted"), "{reasons:?}");
}

#[test]
fn a_disk_that_is_not_there_is_told() {
    // Too little remains of the volume.
    let disk = directory();
    let agent = Agent::builder()
        .args(&["--disk", disk.path().join("disk").to_str().unwrap(), "--volume-limit", "4MiB"])
        .start();
    let mut client = agent.client();
    assert_eq!(
        info(&mut client, "disk").into_iter().collect::<Vec<_>>(),
        [("disk_state".into(), "degraded".into())]
    );
    assert_eq!(map(&client.call("LARDER.INFO"))["disk_state"], "degraded");
    let advice = client.call("MEMORY DOCTOR").text().expect("a text");
    assert!(advice.contains("could not be opened"), "{advice}");

    let agent = Agent::start();
    let mut client = agent.client();
    assert_eq!(
        info(&mut client, "disk").into_iter().collect::<Vec<_>>(),
        [("disk_state".into(), "off".into())]
    );
    let larder = map(&client.call("LARDER.INFO"));
    assert_eq!(larder["disk_state"], "off");
    assert_eq!(
        larder.keys().filter(|name| name.starts_with("disk") || name.starts_with("journal")).count(),
        1
    );
    assert!(client.call("MEMORY DOCTOR").text().is_some_and(|advice| advice.contains("Nothing to report")));
}
