//! Starts over a directory that cannot be used, is used by another, or holds what is not to be believed: an agent that serves, and
//! says in one line what it does without; or one that says why it does not start.

use std::fs::{File, read_dir};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use larder_tests::agent::{Agent, Builder};
use larder_tests::faults::{Errno, Fault, FaultyDisk, Op};
use larder_tests::once::{agent_command, run_to_end};
use larder_tests::resp::Value;
use tempfile::TempDir;

use super::subject::has_disk;

const KEYS: usize = 300;
/// Where the journal's header says what, and where it ends.
const VERSION_AT: usize = 8;
const BOOT_AT: usize = 16;
const SUM_AT: usize = 60;
const HEADER: u64 = 4096;
/// Memory as a file system, as far as there is one.
const SHARED_MEMORY: &str = "/dev/shm";

fn builder(disk: &Path, size: &str) -> Builder {
    Agent::builder().args(&[
        "--memory",
        "12MiB",
        "--disk",
        &disk.display().to_string(),
        "--disk-size",
        size,
        "--seal",
        "on",
    ])
}

/// A directory, if the agent has a disk tier.
fn place() -> Option<(TempDir, PathBuf)> {
    if !has_disk() {
        println!("not run: the agent has no disk tier");
        return None;
    }
    let directory = TempDir::with_prefix("larder-starts-").expect("a temporary directory can be made");
    let disk = directory.path().join("disk");
    Some((directory, disk))
}

/// Ends an agent after which so many entries lie on disk.
fn fill(disk: &Path) {
    let mut agent = builder(disk, "64MiB").start();
    let mut client = agent.client();
    for key in 0..KEYS {
        assert_eq!(client.call(&format!("SET key:{key} value")), Value::Simple(b"OK".to_vec()));
    }
    drop(client);
    assert_eq!(agent.terminate().code(), Some(0), "{}", agent.log());
}

/// How many of these entries are there.
fn found(agent: &Agent) -> usize {
    let mut client = agent.client();
    (0..KEYS).filter(|key| !client.call(&format!("GET key:{key}")).is_null()).count()
}

fn delete(agent: &Agent) {
    let mut client = agent.client();
    (0..KEYS).for_each(|key| drop(client.call(&format!("DEL key:{key}"))));
}

fn serves(agent: &Agent) {
    let mut client = agent.client();
    assert_eq!(client.call("SET other value"), Value::Simple(b"OK".to_vec()));
    assert_eq!(client.call("GET other").text().as_deref(), Some("value"));
}

/// The lines of its log that hold all of these words.
fn lines(agent: &Agent, words: &[&str]) -> usize {
    agent.log().lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
}

/// It serves from memory and says so once; nothing of what lay there comes back after it.
fn serves_from_memory_only(mut agent: Agent, disk: &Path, why: &str) {
    assert_eq!(lines(&agent, &["no disk tier", "memory only", why]), 1, "{why}:\n{}", agent.log());
    assert_eq!(found(&agent), 0);
    serves(&agent);
    delete(&agent);
    agent.kill();
    let mut agent = builder(disk, "64MiB").start();
    assert_eq!(found(&agent), 0, "what an agent without its disk has deleted is there again");
    agent.kill();
}

#[test]
fn without_room_memory_is_served() {
    let Some((_directory, disk)) = place() else { return };
    fill(&disk);
    let agent = builder(&disk, "auto").args(&["--volume-limit", "4MiB"]).start();
    serves_from_memory_only(agent, &disk, "less than");
}

#[test]
fn more_than_the_volume_has_is_not_taken() {
    let Some((_directory, disk)) = place() else { return };
    let Some(faulty) = FaultyDisk::mount() else { return };
    drop(disk);
    let disk = faulty.path().join("disk");
    let small = faulty.inject(Fault::full(64 << 20));
    let mut agent = builder(&disk, "900GiB").start();
    assert_eq!(lines(&agent, &["no disk tier", "memory only", "no room"]), 1, "{}", agent.log());
    serves(&agent);
    agent.kill();
    small.clear();
}

#[test]
fn where_nothing_can_be_reserved_memory_is_served() {
    if !has_disk() {
        return println!("not run: the agent has no disk tier");
    }
    for fault in [
        Fault::fail(&[Op::Allocate, Op::Write], Errno::NOSPC),
        Fault::fail(&[Op::Allocate, Op::Write], Errno::IO),
        Fault::fail(&[Op::Open], Errno::IO),
    ] {
        let Some(faulty) = FaultyDisk::mount() else { return };
        let disk = faulty.path().join("disk");
        fill(&disk);
        let injected = faulty.inject(fault);
        let agent = builder(&disk, "64MiB").start();
        assert!(injected.fired() > 0);
        assert_eq!(lines(&agent, &["no disk tier", "memory only"]), 1, "{}", agent.log());
        injected.clear();
        serves_from_memory_only(agent, &disk, "");
    }
}

#[test]
fn memory_is_no_disk() {
    if !has_disk() {
        return println!("not run: the agent has no disk tier");
    }
    let Ok(directory) = TempDir::with_prefix_in("larder-starts-", SHARED_MEMORY) else {
        return println!("not run: there is no {SHARED_MEMORY}");
    };
    let mut agent = builder(&directory.path().join("disk"), "64MiB").start();
    assert_eq!(lines(&agent, &["no disk tier", "memory only"]), 1, "{}", agent.log());
    serves(&agent);
    agent.kill();
}

#[test]
fn a_directory_is_one_agent_s() {
    let Some((_directory, disk)) = place() else { return };
    fill(&disk);
    let mut first = builder(&disk, "64MiB").start();
    assert_eq!(found(&first), KEYS);
    let socket = disk.with_file_name("second.sock");
    // Whatever else is wrong with the second, it has nothing to say about what is the first's.
    for more in [&["--disk-size", "64MiB"][..], &["--disk-size", "auto", "--volume-limit", "4MiB"]] {
        let mut command = agent_command(&[]);
        command.args(["--metrics", "127.0.0.1:0", "--memory", "12MiB", "--disk"]).arg(&disk).args(more);
        let second = run_to_end(command.arg("--socket").arg(&socket));
        assert!(second.code.is_some_and(|code| code != 0), "{more:?}: {:?}\n{}", second.code, second.stderr);
        assert!(second.stderr.contains("another process uses the directory"), "{more:?}: {}", second.stderr);
    }
    assert_eq!(found(&first), KEYS);
    let mut client = first.client();
    (0..KEYS / 2).for_each(|key| drop(client.call(&format!("DEL key:{key}"))));
    drop(client);
    first.kill();
    let mut agent = builder(&disk, "64MiB").start();
    assert_eq!(lines(&agent, &["warm start"]), 1, "{}", agent.log());
    assert_eq!(found(&agent), KEYS - KEYS / 2);
    agent.kill();
}

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, &byte| {
        (0..8).fold(
            sum ^ u32::from(byte),
            |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0x82f6_3b78 } else { sum >> 1 },
        )
    })
}

/// Changes a byte of the header, and its sum accordingly.
fn change_header(journal: &File, at: usize) {
    let mut header = [0; SUM_AT];
    journal.read_exact_at(&mut header, 0).expect("a header");
    header[at] ^= 1;
    journal.write_all_at(&header, 0).expect("it can be written");
    journal.write_all_at(&crc32c(&header).to_le_bytes(), SUM_AT as u64).expect("it can be written");
}

#[test]
fn what_is_not_to_be_believed_is_a_cold_start() {
    type Change = fn(&File);
    let changes: [(&str, Change); 6] = [
        ("other_format", |journal| change_header(journal, VERSION_AT)),
        ("other_boot", |journal| change_header(journal, BOOT_AT)),
        ("damaged", |journal| {
            let mut byte = [0];
            journal.read_exact_at(&mut byte, HEADER + 40).expect("a record");
            journal.write_all_at(&[byte[0] ^ 4], HEADER + 40).expect("it can be written");
        }),
        ("damaged", |journal| journal.set_len(HEADER + 100).expect("it can be cut")),
        ("damaged", |journal| journal.write_all_at(&[7], SUM_AT as u64 - 10).expect("it can be written")),
        ("damaged", |journal| journal.set_len(0).expect("it can be cut")),
    ];
    for (reason, change) in changes {
        let Some((_directory, disk)) = place() else { return };
        fill(&disk);
        let path = disk.join("journal");
        change(&File::options().read(true).write(true).open(&path).expect("the journal is there"));
        let mut agent = builder(&disk, "64MiB").start();
        assert_eq!(lines(&agent, &["cold start"]), 1, "{}", agent.log());
        assert_eq!(lines(&agent, &["cold start", &format!("reason=\"{reason}\"")]), 1, "{}", agent.log());
        assert_eq!(found(&agent), 0, "{reason}");
        serves(&agent);
        assert_eq!(agent.terminate().code(), Some(0));
        let agent = builder(&disk, "64MiB").start();
        assert_eq!(lines(&agent, &["warm start"]), 1, "{}", agent.log());
        assert_eq!(found(&agent), 0, "{reason}");
    }
}

#[test]
fn no_journal_is_a_cold_start_and_so_is_no_disk() {
    let Some((_directory, disk)) = place() else { return };
    fill(&disk);
    std::fs::remove_file(disk.join("journal")).expect("the journal is there");
    let mut agent = builder(&disk, "64MiB").start();
    assert_eq!(lines(&agent, &["cold start", "reason=\"no_journal\""]), 1, "{}", agent.log());
    assert_eq!(found(&agent), 0);
    agent.kill();
    for file in read_dir(&disk).expect("a directory").flatten() {
        if file.file_name() != "journal" {
            std::fs::remove_file(file.path()).expect("it can be removed");
        }
    }
    let agent = builder(&disk, "64MiB").start();
    assert_eq!(found(&agent), 0);
    serves(&agent);
}
