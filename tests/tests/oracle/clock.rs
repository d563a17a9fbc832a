//! Steps of the wall clock: they change no time to live, whether it was given as a duration or as a moment, and wherever the entry
//! lies.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use larder_tests::resp::{Client, Value};
use larder_tests::wall::Wall;

use super::subject::{End, Subject, has_disk};

const HOUR_MS: i64 = 3_600_000;
/// As far as what the agent shows may be from what the clock does, for the time that an answer takes.
const APART_MAX_MS: i64 = 1_500;
/// The same for a time to live.
const SLACK_MS: i64 = 300;
const KEYS: usize = 40;
/// What the entries of this test have to live.
const LIFE_MS: i64 = 2 * HOUR_MS;
/// Those that end while it runs.
const SHORT_MS: i64 = 4_000;
/// More than memory holds.
const BALLAST: usize = 5_000;

/// What an agent says the time is, in milliseconds since 1970.
pub(crate) fn shown_by(client: &mut Client) -> i64 {
    let time = client.call("TIME");
    let number = |part: &Value| part.text().and_then(|text| text.parse::<i64>().ok()).expect("a number");
    let parts = time.items().expect("seconds and microseconds");
    number(&parts[0]) * 1_000 + number(&parts[1]) / 1_000
}

/// Which steps an agent has seen, and whether it has seen them whole.
#[derive(Debug, Default)]
pub(crate) struct StepsSeen {
    seen: u64,
    unseen: u64,
}

impl StepsSeen {
    /// Notes what an agent shows after a step.
    pub(crate) fn note(&mut self, wall: &Wall, shown_ms: i64) {
        let is_seen = (wall.unix_ms() - shown_ms).abs() <= APART_MAX_MS;
        *(if is_seen { &mut self.seen } else { &mut self.unseen }) += 1;
    }

    pub(crate) fn fired(&self) -> BTreeMap<&'static str, u64> {
        [("steps seen by the agent", self.seen), ("steps that the agent did not see", self.unseen)].into()
    }
}

fn name_of(key: usize) -> String {
    format!("step:{key}")
}

/// Stores all entries, half of them with a moment of the wall clock as their end.
fn store(client: &mut Client, life_ms: i64) -> Instant {
    for key in 0..KEYS {
        let how = if key.is_multiple_of(2) {
            format!("PX {life_ms}")
        } else {
            format!("PXAT {}", shown_by(client) + life_ms)
        };
        let reply = client.call(&format!("SET {} value {how}", name_of(key)));
        assert_eq!(reply, Value::Simple(b"OK".to_vec()));
    }
    Instant::now()
}

/// Looks that all that are there have as long to live as they should; returns how many are.
fn check(client: &mut Client, stored: Instant, what: &str) -> usize {
    let mut found = 0;
    for key in 0..KEYS {
        let before = shown_by(client);
        let Some(left) = client.call(&format!("PTTL {}", name_of(key))).int().filter(|left| *left != -2)
        else {
            continue;
        };
        let due = LIFE_MS - stored.elapsed().as_millis() as i64;
        assert!((left - due).abs() <= SLACK_MS, "{what}: {} has {left} ms, should have {due}", name_of(key));
        // What is told as a moment moves with the clock that it is told by.
        let end = client.call(&format!("PEXPIRETIME {}", name_of(key))).int().expect("a number");
        assert!(
            (end - before - due).abs() <= SLACK_MS,
            "{what}: {} ends {} ms from now",
            name_of(key),
            end - before
        );
        assert_eq!(client.call(&format!("GET {}", name_of(key))).text().as_deref(), Some("value"));
        found += 1;
    }
    found
}

fn stepping(wall: &Wall) -> Subject {
    let mut subject = Subject::new();
    subject.environment = wall.environment().into();
    subject
}

fn step(wall: &Wall, subject: &mut Subject, hours: i64) {
    wall.step(hours * HOUR_MS);
    let shown = shown_by(&mut subject.agent().client());
    assert!((wall.unix_ms() - shown).abs() <= APART_MAX_MS, "the agent did not see the step");
}

#[test]
fn a_step_changes_no_time_to_live() {
    let Some(wall) = Wall::new() else { return };
    let mut subject = stepping(&wall);
    let mut client = subject.start(1).client();
    let mut stored = store(&mut client, LIFE_MS);
    for (round, hours) in [5, -9, 1, -30, 60].into_iter().enumerate() {
        step(&wall, &mut subject, hours);
        assert_eq!(check(&mut client, stored, "in memory"), KEYS, "after {hours} hours");
        if !has_disk() {
            continue;
        }
        // They leave memory.
        for number in 0..BALLAST {
            client.command(&["SET", &format!("ballast:{number}"), &"b".repeat(4_000)]).expect("a reply");
        }
        step(&wall, &mut subject, -hours * 2);
        check(&mut client, stored, "on disk");
        drop(client);
        let is_clean = round.is_multiple_of(2);
        subject.end(if is_clean { End::Terminate } else { End::Kill });
        wall.step(hours * 3 * HOUR_MS);
        client = subject.start(1).client();
        let found = check(&mut client, stored, "after a restart");
        println!("{found} of {KEYS} found after {}", if is_clean { "SIGTERM" } else { "SIGKILL" });
        assert!(found == KEYS || !is_clean, "{found}");
        stored = store(&mut client, LIFE_MS);
    }
    subject.end(End::Terminate);
}

#[test]
fn a_step_neither_ends_nor_saves_what_is_due_soon() {
    let Some(wall) = Wall::new() else { return };
    for (hours, end) in
        [(7, None), (-7, None), (7, Some(End::Terminate)), (-7, Some(End::Terminate)), (-7, Some(End::Kill))]
    {
        let mut subject = stepping(&wall);
        let mut client = subject.start(1).client();
        let begun = Instant::now();
        let stored = store(&mut client, SHORT_MS);
        client.call("DEBUG DEMOTE");
        match end {
            None => step(&wall, &mut subject, hours),
            Some(end) => {
                subject.end(end);
                wall.step(hours * HOUR_MS);
                client = subject.start(1).client();
            }
        }
        let there = |client: &mut Client| {
            (0..KEYS).filter(|key| !client.call(&format!("GET {}", name_of(*key))).is_null()).count()
        };
        let found = there(&mut client);
        let life = Duration::from_millis(SHORT_MS.unsigned_abs());
        if begun.elapsed() < life && (end.is_none() || (has_disk() && end == Some(End::Terminate))) {
            assert_eq!(found, KEYS, "{hours} hours, {end:?}: ended too early");
        }
        std::thread::sleep((life + Duration::from_millis(50)).saturating_sub(stored.elapsed()));
        assert_eq!(there(&mut client), 0, "{hours} hours, {end:?}: not ended");
        subject.end(End::Kill);
    }
}
