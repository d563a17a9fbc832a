//! Reads ahead in a pipeline: replies are what they are without, in their order, and the disk is waited for once for many.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use rustix::fs::{Advice, fadvise};

use super::subject::{End, Subject, has_disk};

/// Entries on disk, long enough to lie on pages of their own.
const KEYS: usize = 400;
const DEPTH: usize = 16;

fn value(key: usize) -> String {
    format!("{key}:").repeat(1000)
}

/// An agent over entries on disk, none of which lies in memory or in the page cache.
fn cold() -> Subject {
    let mut subject = Subject::new();
    let mut client = subject.start(1).client();
    for key in 0..KEYS {
        client.command(&["SET", &format!("key:{key}"), &value(key)]).expect("a reply");
    }
    drop(client);
    subject.end(End::Terminate);
    subject.start(1);
    for file in subject.files() {
        let file = File::open(file).expect("a file of the agent's");
        file.sync_data().expect("a file that can be written out");
        fadvise(&file, 0, None, Advice::DontNeed).expect("advice is taken");
    }
    subject
}

/// How often somebody waited for reads.
fn waits(subject: &mut Subject) -> usize {
    let mut stream = TcpStream::connect(subject.agent().metrics()).expect("the agent tells figures");
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").expect("a question");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("a page");
    let line = page.lines().find_map(|line| line.strip_prefix("larder_disk_read_duration_seconds_count "));
    line.and_then(|count| count.parse().ok()).expect("it is one of them")
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(String::from).collect()
}

#[test]
fn a_pipeline_waits_for_the_disk_once_for_many() {
    if !has_disk() {
        return;
    }
    let mut subject = cold();
    let mut client = subject.agent().client();
    let before = waits(&mut subject);
    for first in (0..KEYS / DEPTH).map(|round| round * DEPTH) {
        let keys = first..first + DEPTH;
        let commands: Vec<_> = keys.clone().map(|key| words(&format!("GET key:{key}"))).collect();
        let replies = client.pipeline(&commands).expect("replies");
        assert!(keys.zip(replies).all(|(key, reply)| reply.text() == Some(value(key))));
    }
    let waits = waits(&mut subject) - before;
    assert!(waits > 0, "nothing had to be waited for: the page cache was not empty");
    assert!(waits < KEYS / 8, "{waits} waits for {KEYS} reads");
}

#[test]
fn what_is_read_ahead_is_not_answered_once_it_is_past() {
    if !has_disk() {
        return;
    }
    let mut subject = cold();
    let mut client = subject.agent().client();
    for first in (0..KEYS - 8).step_by(8) {
        let key = |n: usize| format!("key:{}", first + n);
        let lines = [
            format!("GET {}", key(0)),
            format!("SET {} new", key(1)),
            format!("GET {}", key(1)),
            format!("DEL {}", key(2)),
            format!("GET {}", key(2)),
            format!("RENAME {} {}", key(3), key(4)),
            format!("MGET {} {}", key(3), key(4)),
            format!("APPEND {} !", key(5)),
            format!("GET {}", key(5)),
            format!("LARDER.PURGE KEY {}", key(6)),
            format!("GET {}", key(6)),
            "SELECT 1".to_owned(),
            format!("GET {}", key(7)),
            "SELECT 0".to_owned(),
            format!("GET {}", key(7)),
        ];
        let commands: Vec<_> = lines.iter().map(|line| words(line)).collect();
        let replies = client.pipeline(&commands).expect("replies");
        let text = |place: usize| replies[place].text();
        let old = |n: usize| Some(value(first + n));
        assert!(text(0) == old(0) && text(2).as_deref() == Some("new"), "{lines:?}");
        assert!([4, 10, 12].into_iter().all(|place| replies[place].is_null()), "{lines:?}");
        let renamed = replies[6].items().expect("an array");
        assert!(renamed[0].is_null() && renamed[1].text() == old(3), "{lines:?}");
        assert!(text(8) == old(5).map(|value| value + "!") && text(14) == old(7), "{lines:?}");
    }
}
