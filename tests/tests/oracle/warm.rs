//! A restart is warm: what lay on disk, or could, is found again.

use larder_tests::resp::{Client, Value};

use super::life::words;
use super::random::Random;
use super::subject::{End, Subject, has_disk};

/// Of about two kilobytes each: four times the memory, a fifth of the disk.
const ENTRIES: usize = 24_000;
const DEPTH: usize = 200;
const ROUNDS: u64 = 3;

fn subject() -> Option<Subject> {
    if has_disk() {
        return Some(Subject::with("12MiB", "256MiB", &[]));
    }
    println!("not run: the agent has no disk tier");
    None
}

fn name_of(entry: usize) -> String {
    format!("warm:{entry}")
}

/// Small ones, and few that are large.
fn value_of(entry: usize) -> String {
    let mut random = Random::of(7, entry as u64, 0);
    let length = if random.one_in(50) { 20_000 + random.place(40_000) } else { random.place(2_400) };
    format!("{entry} {}", "w".repeat(length))
}

/// Asks the same of many entries and returns those whose reply is as wanted.
fn ask(
    client: &mut Client,
    entries: &[usize],
    command: impl Fn(usize) -> Vec<Vec<u8>>,
    wanted: impl Fn(usize, &Value) -> bool,
) -> Vec<usize> {
    let mut found = Vec::new();
    for part in entries.chunks(DEPTH) {
        let commands: Vec<_> = part.iter().map(|&entry| command(entry)).collect();
        let replies = client.pipeline(&commands).expect("replies");
        found.extend(
            part.iter().zip(replies).filter(|(entry, reply)| wanted(**entry, reply)).map(|(&entry, _)| entry),
        );
    }
    found
}

/// Stores what is not there.
fn store(client: &mut Client, entries: &[usize]) {
    let set = |entry: usize| {
        let mut set = words(&["SET", &name_of(entry), &value_of(entry)]);
        if entry.is_multiple_of(3) {
            set.extend(words(&["EX", "1000"]));
        }
        set
    };
    let stored = ask(client, entries, set, |_, reply| *reply == Value::Simple(b"OK".to_vec()));
    assert_eq!(stored.len(), entries.len());
}

fn hits(client: &mut Client, entries: &[usize]) -> Vec<usize> {
    ask(
        client,
        entries,
        |entry| words(&["GET", &name_of(entry)]),
        |entry, reply| {
            let is_hit = reply.text() == Some(value_of(entry));
            assert!(is_hit || reply.is_null(), "{} holds another's value", name_of(entry));
            is_hit
        },
    )
}

fn present(client: &mut Client, entries: &[usize]) -> Vec<usize> {
    ask(client, entries, |entry| words(&["EXISTS", &name_of(entry)]), |_, reply| *reply == Value::Int(1))
}

/// Those whose place, as the agent tells it, is not memory alone.
fn on_disk(client: &mut Client, entries: &[usize]) -> Vec<usize> {
    let tier_of = |reply: &Value| {
        let items = reply.items()?;
        let place = items.iter().step_by(2).position(|item| item.text().as_deref() == Some("tier"))?;
        items.get(place * 2 + 1)?.text()
    };
    let is_there = |_, reply: &Value| tier_of(reply).is_some_and(|tier| !tier.is_empty() && tier != "memory");
    ask(client, entries, |entry| words(&["LARDER.WHY", &name_of(entry)]), is_there)
}

fn check(what: &str, due: &[usize], hits: &[usize], percent: usize) {
    println!("{what}: {} of {} found again", hits.len(), due.len());
    assert!(due.len() * 10 >= ENTRIES, "{what}: only {} of {ENTRIES} entries to be found", due.len());
    assert!(
        hits.len() * 100 >= due.len() * percent,
        "{what}: {} of {} found, {percent} % were due",
        hits.len(),
        due.len()
    );
}

#[test]
fn after_termination_what_was_there_is_there() {
    let Some(mut subject) = subject() else { return };
    let all: Vec<usize> = (0..ENTRIES).collect();
    let mut due = Vec::new();
    for round in 0..ROUNDS {
        let mut client = subject.start(1 + round % 2).client();
        if round > 0 {
            check(&format!("SIGTERM, round {round}"), &due, &hits(&mut client, &due), 99);
        }
        let there = present(&mut client, &all);
        let missing: Vec<usize> =
            all.iter().filter(|entry| there.binary_search(entry).is_err()).copied().collect();
        store(&mut client, &missing);
        due = present(&mut client, &all);
        drop(client);
        subject.end(End::Terminate);
    }
}

#[test]
fn after_a_kill_what_was_sealed_is_there() {
    let Some(mut subject) = subject() else { return };
    let all: Vec<usize> = (0..ENTRIES).collect();
    for round in 0..ROUNDS {
        let mut client = subject.start(1 + round % 2).client();
        store(&mut client, &all);
        // A second read makes an entry worth keeping.
        let kept = hits(&mut client, &all);
        store(&mut client, &kept);
        let due = on_disk(&mut client, &all);
        std::thread::sleep(std::time::Duration::from_secs(1));
        drop(client);
        subject.end(End::Kill);
        let mut client = subject.start(1).client();
        check(&format!("SIGKILL, round {round}"), &due, &hits(&mut client, &due), 95);
        drop(client);
        subject.end(End::Kill);
    }
}
