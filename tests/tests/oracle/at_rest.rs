//! Encryption at rest, as whoever gets the files sees it: no key, value or tag stands in any of them, whatever the end of the agent was,
//! and the keys of the file stand nowhere at all.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use larder_tests::agent::Agent;
use larder_tests::http::Metrics;
use larder_tests::once::{Ended, agent_command, run_to_end};
use larder_tests::poll_until;
use larder_tests::resp::{Client, Value};
use tempfile::TempDir;

use super::random::Random;
use super::subject::has_disk;

const ENTRIES: usize = 400;
/// What a marker begins with: no two bytes of a ciphertext are likely to look like it by chance.
const MARKS: [&str; 3] = ["MARKER-KEY-", "MARKER-VALUE-", "MARKER-TAG-"];
const LONG: usize = 9_000;
/// What the store's header of an entry ends in.
const ENTRY_MAGIC: [u8; 4] = [0x97, 0x03, 0x27, 0x00];
const LIMIT: Duration = Duration::from_secs(20);

/// A directory with a keys' file beside the disk's.
struct Place {
    directory: TempDir,
    random: Random,
}

impl Place {
    fn new() -> Option<Self> {
        if !has_disk() {
            println!("not run: the agent has no disk tier");
            return None;
        }
        let directory = TempDir::with_prefix("larder-at-rest-").expect("a temporary directory can be made");
        Some(Self { directory, random: Random::of(std::process::id().into(), 0, 0) })
    }

    fn disk(&self) -> PathBuf {
        self.directory.path().join("disk")
    }

    fn keys(&self) -> PathBuf {
        self.directory.path().join("keys")
    }

    /// 64 hexadecimal digits.
    fn secret(&mut self) -> String {
        (0..4).map(|_| format!("{:016x}", self.random.next())).collect()
    }

    fn write_keys(&self, text: &str) {
        fs::write(self.keys(), text).expect("a file can be made");
        fs::set_permissions(self.keys(), Permissions::from_mode(0o600)).expect("it is ours");
    }

    fn flags(&self, is_sealed: bool) -> Vec<String> {
        let path = |path: PathBuf| path.display().to_string();
        let mut flags: Vec<String> =
            ["--memory", "12MiB", "--disk-size", "64MiB", "--seal", "on", "--debug-commands"]
                .map(String::from)
                .into();
        flags.extend(["--log-level".into(), "trace".into(), "--disk".into(), path(self.disk())]);
        if is_sealed {
            flags.extend(["--at-rest-key".into(), path(self.keys())]);
        }
        flags
    }

    fn start(&self, is_sealed: bool) -> Agent {
        let flags = self.flags(is_sealed);
        let agent = Agent::builder().args(&flags.iter().map(String::as_str).collect::<Vec<_>>()).start();
        assert!(!agent.log().contains("no disk tier"), "{}", agent.log());
        agent
    }

    /// A start that is expected to fail.
    fn refused(&self) -> Ended {
        let socket = self.directory.path().join("s").display().to_string();
        let ended = run_to_end(agent_command(&[]).args(self.flags(true)).args(["--socket", &socket]));
        assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        ended
    }
}

fn name_of(entry: usize) -> String {
    format!("{}{entry}", MARKS[0])
}

fn value_of(entry: usize) -> String {
    let padding = if entry.is_multiple_of(20) { LONG } else { entry % 300 };
    format!("{}{entry}-{}", MARKS[1], "p".repeat(padding))
}

/// Stores entries, a part of them with tags, and some that govern others; purges one tag.
fn fill(client: &mut Client) {
    for entry in 0..ENTRIES {
        let (name, value, tag) = (name_of(entry), value_of(entry), format!("{}{}", MARKS[2], entry % 7));
        let stored = client.command(&["LARDER.SET", &name, &value, "TAGS", "1", &tag]).expect("a reply");
        assert_eq!(stored, Value::Simple(b"OK".to_vec()));
    }
    let prefix = format!("{}of-none-", MARKS[0]);
    for words in [
        vec!["LARDER.PURGE", "TAG", "MARKER-TAG-of-none"],
        vec!["LARDER.PURGE", "PREFIX", &prefix],
        vec!["INCR", "MARKER-KEY-counter"],
        vec!["APPEND", "MARKER-KEY-appended", "MARKER-VALUE-appended"],
        vec!["DEL", &name_of(1), "MARKER-KEY-unknown"],
    ] {
        let reply = client.command(&words).expect("a reply");
        assert!(!reply.is_error(), "{words:?}: {reply:?}");
    }
    demote(client);
}

/// Moves all of memory to disk, which takes a part of it at a time.
fn demote(client: &mut Client) {
    let is_done = poll_until(LIMIT, || (client.call("DEBUG DEMOTE") == Value::Int(1)).then_some(()));
    assert!(is_done.is_some(), "the disk takes no more");
}

/// How many of the entries are there; none holds anything else.
fn found(client: &mut Client) -> usize {
    let is_there = |entry: &usize| {
        let reply = client.command(&["GET", &name_of(*entry)]).expect("a reply");
        assert!(reply.is_null() || reply.text() == Some(value_of(*entry)), "another's value");
        !reply.is_null()
    };
    (0..ENTRIES).filter(is_there).count()
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    // By its first byte first: these are many megabytes.
    let mut at = 0;
    while let Some(next) = bytes[at..].iter().position(|byte| *byte == word[0]) {
        at += next;
        if bytes[at..].starts_with(word) {
            return true;
        }
        at += 1;
    }
    false
}

/// The files below a directory in which one of these words stands, and how many files there are.
fn files_with(directory: &Path, words: &[&[u8]]) -> (Vec<PathBuf>, usize) {
    let (mut with, mut count) = (Vec::new(), 0);
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            let (more, others) = files_with(&path, words);
            (count, with) = (count + others, [with, more].concat());
            continue;
        }
        let bytes = fs::read(&path).expect("it can be read");
        count += 1;
        if words.iter().any(|word| contains(&bytes, word)) {
            with.push(path);
        }
    }
    (with, count)
}

/// Waits until what was given to the disk is there.
fn wait_for_the_disk(client: &mut Client) {
    let is_done = || {
        let told = client.call("LARDER.INFO");
        let count = |name: &str| told.get(name).and_then(Value::int).unwrap_or_default();
        (count("disk_flush_queue_segments") == 0 && count("disk_segments_written") > 0).then_some(())
    };
    assert!(poll_until(LIMIT, is_done).is_some(), "it is not written");
}

/// How many segments of a directory were sealed with the key of this number: behind the store's header of an entry, which ends
/// in a magic number, a sealed segment begins with its key's.
fn sealed_by(directory: &Path, number: u32) -> usize {
    let head = [&ENTRY_MAGIC[..], &number.to_le_bytes()].concat();
    let files = fs::read_dir(directory).expect("a directory").flatten();
    files
        .map(|file| {
            fs::read(file.path()).map_or(0, |bytes| {
                bytes.chunks(4096).filter(|page| page.len() > 40 && page[32..40] == head).count()
            })
        })
        .sum()
}

fn lines(agent: &Agent, word: &str) -> usize {
    agent.log().lines().filter(|line| line.contains(word)).count()
}

#[test]
fn nothing_of_an_entry_can_be_read_in_any_file() {
    for (is_sealed, is_killed) in [(true, true), (true, false), (false, true)] {
        let Some(mut place) = Place::new() else { return };
        let secret = place.secret();
        place.write_keys(&format!("7:{secret}\n"));
        let mut agent = place.start(is_sealed);
        let mut client = agent.client();
        fill(&mut client);
        wait_for_the_disk(&mut client);
        drop(client);
        if is_killed {
            agent.kill();
        } else {
            assert_eq!(agent.terminate().code(), Some(0), "{}", agent.log());
        }
        let marks = MARKS.map(str::as_bytes);
        let (with, count) = files_with(&place.disk(), &marks);
        assert!(count > 10, "{count} files");
        if !is_sealed {
            // The test's own test: without a key they are there to be found.
            for mark in marks {
                assert!(
                    !files_with(&place.disk(), &[mark]).0.is_empty(),
                    "{}",
                    String::from_utf8_lossy(mark)
                );
            }
            continue;
        }
        assert!(with.is_empty(), "{with:?}");
        let (with, _) = files_with(&place.disk(), &[secret.as_bytes(), &bytes_of(&secret)]);
        assert!(with.is_empty(), "the key lies beside what it seals: {with:?}");
        let mut agent = place.start(true);
        assert_eq!(lines(&agent, "warm start"), 1, "{}", agent.log());
        let warm = found(&mut agent.client());
        println!("{count} files searched; {warm} of {ENTRIES} found again, killed: {is_killed}");
        // A kill loses what was not written yet: the last segments were not full.
        assert!(warm == ENTRIES - 1 || (is_killed && warm * 100 >= ENTRIES * 80), "{warm}");
        agent.kill();
    }
}

fn bytes_of(secret: &str) -> Vec<u8> {
    let digits: Vec<u32> = secret.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

#[test]
fn keys_are_exchanged_one_after_the_other() {
    let Some(mut place) = Place::new() else { return };
    let [old, new] = [place.secret(), place.secret()];
    place.write_keys(&format!("1:{old}\n"));
    let mut agent = place.start(true);
    fill(&mut agent.client());
    wait_for_the_disk(&mut agent.client());
    assert_eq!(agent.terminate().code(), Some(0), "{}", agent.log());

    // Both are known: what was sealed with the old one is read, what comes now is sealed with the new one.
    place.write_keys(&format!("2:{new}\n1:{old}\n"));
    let mut agent = place.start(true);
    assert_eq!(lines(&agent, "warm start"), 1, "{}", agent.log());
    let mut client = agent.client();
    assert_eq!(found(&mut client), ENTRIES - 1);
    let late = |client: &mut Client, verb: &str| {
        let done = |entry: &usize| {
            let (name, value) = (format!("late:{entry}"), value_of(*entry));
            let words = if verb == "SET" { vec![verb, &name, &value] } else { vec![verb, &name] };
            !client.command(&words).expect("a reply").is_null()
        };
        (0..ENTRIES).filter(done).count()
    };
    late(&mut client, "SET");
    demote(&mut client);
    wait_for_the_disk(&mut client);
    assert_eq!(agent.terminate().code(), Some(0), "{}", agent.log());
    let mut agent = place.start(true);
    let mut client = agent.client();
    assert_eq!((found(&mut client), late(&mut client, "GET")), (ENTRIES - 1, ENTRIES));
    assert_eq!(agent.terminate().code(), Some(0), "{}", agent.log());
    let (by_new, by_old) = (sealed_by(&place.disk(), 2), sealed_by(&place.disk(), 1));
    println!("{by_old} segments by the old key, {by_new} by the new");
    assert!(by_old > 0 && by_new > 0);

    // Only the new one: what is old cannot be read, nor the journal that speaks of it be believed.
    place.write_keys(&format!("2:{new}\n"));
    let agent = place.start(true);
    assert_eq!(lines(&agent, "reason=\"other_key\""), 1, "{}", agent.log());
    assert_eq!(found(&mut agent.client()), 0);
    assert!(!agent.log().contains("panicked"));
}

#[test]
fn without_its_key_a_start_is_cold() {
    let Some(mut place) = Place::new() else { return };
    let [right, wrong] = [place.secret(), place.secret()];
    type Keys<'a> = Option<&'a str>;
    let wrongs: [Keys<'_>; 3] = [Some(&format!("7:{wrong}\n")), Some(&format!("8:{wrong}\n")), None];
    for keys in wrongs {
        place.write_keys(&format!("7:{right}\n"));
        let mut agent = place.start(true);
        fill(&mut agent.client());
        wait_for_the_disk(&mut agent.client());
        assert_eq!(agent.terminate().code(), Some(0), "{}", agent.log());
        if let Some(text) = keys {
            place.write_keys(text);
        }
        let mut agent = place.start(keys.is_some());
        assert_eq!(lines(&agent, "cold start"), 1, "{}", agent.log());
        assert_eq!(lines(&agent, "reason=\"other_key\""), 1, "{}", agent.log());
        let mut client = agent.client();
        assert_eq!(found(&mut client), 0);
        fill(&mut client);
        assert_eq!(found(&mut client), ENTRIES - 1);
        assert!(!agent.log().contains("panicked"));
        agent.kill();
    }
}

#[test]
fn a_bit_that_flipped_is_a_miss_and_counted() {
    let Some(mut place) = Place::new() else { return };
    let secret = place.secret();
    place.write_keys(&format!("7:{secret}\n"));
    let mut agent = place.start(true);
    let mut client = agent.client();
    fill(&mut client);
    wait_for_the_disk(&mut client);
    // One bit of each block that holds something, behind the agent's back.
    let mut flipped = 0;
    for entry in fs::read_dir(place.disk()).expect("a directory").flatten() {
        if entry.file_name() == "journal" {
            continue;
        }
        let file = File::options().read(true).write(true).open(entry.path()).expect("it is ours");
        let mut block = vec![0; 64 << 10];
        let length = file.read_at(&mut block, 4096).expect("it can be read");
        if let Some(at) =
            block[..length].iter().enumerate().skip(500).find(|(_, byte)| **byte != 0).map(|(at, _)| at)
        {
            file.write_all_at(&[block[at] ^ 1], 4096 + at as u64).expect("it can be written");
            flipped += 1;
        }
    }
    assert!(flipped > 0);
    let hits = found(&mut client);
    let told = client.call("LARDER.INFO");
    let count = |name: &str| told.get(name).and_then(Value::int).unwrap_or_default();
    println!(
        "{flipped} bits flipped: {hits} of {ENTRIES} found, {} reads failed, {} entries lost",
        count("disk_read_failures"),
        count("disk_entries_lost")
    );
    assert!(hits < ENTRIES - 1, "nothing was missed");
    assert!(count("disk_read_failures") > 0 && count("disk_entries_lost") > 0, "{told:?}");
    assert!(!agent.log().contains("panicked"), "{}", agent.log());
    agent.kill();
}

#[test]
fn a_keys_file_that_is_none_is_named_and_not_shown() {
    let Some(mut place) = Place::new() else { return };
    let secret = place.secret();
    let name = place.keys().display().to_string();
    for text in [
        "\n".to_owned(),
        secret.clone(),
        format!("key:{secret}\n"),
        format!("1:{}\n", &secret[1..]),
        format!("1:{secret}\n1:{secret}\n"),
    ] {
        place.write_keys(&text);
        let ended = place.refused();
        let told = format!("{}{}", ended.stdout, ended.stderr);
        assert!(told.contains(&name), "{text:?}: {told}");
        assert!(!told.contains(&secret[1..20]), "{text:?}: {told}");
    }
    fs::remove_file(place.keys()).expect("it is ours");
    assert!(place.refused().stderr.contains(&name));
}

#[test]
fn the_key_is_told_to_nobody() {
    let Some(mut place) = Place::new() else { return };
    let secret = place.secret();
    place.write_keys(&format!("7:{secret}\n"));
    fs::set_permissions(place.keys(), Permissions::from_mode(0o644)).expect("it is ours");
    let mut agent = place.start(true);
    let mut client = agent.client();
    fill(&mut client);
    wait_for_the_disk(&mut client);
    let printed = run_to_end(agent_command(&[]).args(place.flags(true)).arg("--print-config"));
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert!(printed.stdout.contains(&place.keys().display().to_string()), "{}", printed.stdout);
    let mut told = vec![printed.stdout, printed.stderr, Metrics::of(&agent).page];
    for line in ["INFO everything", "LARDER.INFO", "CONFIG GET *", "SLOWLOG GET -1", "CLIENT LIST"] {
        told.push(format!("{:?}", client.call(line)));
    }
    drop(client);
    agent.terminate();
    assert_eq!(lines(&agent, "can be read by every user"), 1, "{}", agent.log());
    told.push(agent.log());
    for text in told {
        assert!(!text.contains(&secret[..16]) && !text.contains(&secret[40..]), "{text}");
    }
}
