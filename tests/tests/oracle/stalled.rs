//! What memory holds is served while the device does not answer, and the agent lives on.

use std::time::{Duration, Instant};

use larder_tests::faults::{Errno, Fault, FaultyDisk, Injected, Op};
use larder_tests::poll_until;
use larder_tests::resp::{Client, Value};

use super::subject::{End, Subject, has_disk};

/// Longer than a store is waited for before it is told to be down.
const STALLED: Duration = Duration::from_secs(13);
/// What one answer may take meanwhile.
const ANSWER_MAX: Duration = Duration::from_millis(100);
/// Of so many bytes each, so that all of them are more than memory holds.
const COLD: usize = 8_000;
const COLD_BYTES: usize = 4_000;
/// Entries that are read again and again.
const HOT: usize = 200;
const SEGMENTS: &str = "foyer";
const LIMIT: Duration = Duration::from_secs(30);

fn value_of(name: &str) -> String {
    format!("{name} {}", "v".repeat(COLD_BYTES))
}

fn set(client: &mut Client, name: &str, value: &str) {
    let reply = client.command(&["SET", name, value]).expect("a reply");
    assert_eq!(reply, Value::Simple(b"OK".to_vec()));
}

/// Reads an entry, which may be missed but holds nothing else.
fn get(client: &mut Client, name: &str, value: &str) -> bool {
    let reply = client.command(&["GET", name]).expect("a reply");
    assert!(reply.is_null() || reply.text().as_deref() == Some(value), "{name} holds another's value");
    !reply.is_null()
}

/// An agent over such a disk, with entries on it, and some in memory that are read often.
pub(crate) fn filled(workers: u64) -> Option<(FaultyDisk, Subject)> {
    if !has_disk() {
        println!("not run: the agent has no disk tier");
        return None;
    }
    let disk = FaultyDisk::mount()?;
    let mut subject = Subject::over(Some(disk.path()));
    let mut client = subject.start(workers).client();
    for number in 0..COLD {
        let name = format!("cold:{number}");
        set(&mut client, &name, &value_of(&name));
    }
    for number in 0..HOT {
        let name = format!("hot:{number}");
        set(&mut client, &name, &name);
        (0..3).for_each(|_| assert!(get(&mut client, &name, &name)));
    }
    Some((disk, subject))
}

/// Whether new entries come to lie on disk, within a time.
fn writes_again(client: &mut Client, round: &str) -> bool {
    let is_on_disk =
        |reply: Value| reply.get("tier").and_then(Value::text).is_some_and(|tier| tier == "disk");
    let written = poll_until(LIMIT, || {
        for number in 0..COLD {
            set(client, &format!("{round}:{number}"), &value_of("late"));
        }
        // The oldest of them have left memory.
        (0..COLD)
            .step_by(50)
            .any(|number| is_on_disk(client.call(&format!("LARDER.WHY {round}:{number}"))))
            .then_some(())
    });
    written.is_some()
}

/// Serves what memory holds for a time in which the device does not answer; returns the longest that one answer took.
fn serve(subject: &mut Subject, stall: &Injected) -> Duration {
    let socket = subject.socket();
    let until = Instant::now() + STALLED;
    std::thread::scope(|threads| {
        // Who asks for what lies on disk waits, and who writes has entries leave memory.
        for number in 0..3 {
            let socket = &socket;
            threads.spawn(move || {
                let mut client = Client::connect(socket).expect("a connection");
                for step in (0..).take_while(|_| Instant::now() < until) {
                    let name = format!("cold:{}", (step * 7 + number) % COLD);
                    if number == 0 {
                        set(&mut client, &format!("new:{}", step % COLD), &value_of("new"));
                    } else {
                        get(&mut client, &name, &value_of(&name));
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        let mut client = Client::connect(&socket).expect("a connection");
        let mut longest = Duration::ZERO;
        let (mut asked, mut hits) = (0, 0);
        while Instant::now() < until {
            let name = format!("hot:{}", asked % HOT);
            let begun = Instant::now();
            assert_eq!(client.call("PING"), Value::Simple(b"PONG".to_vec()));
            let pinged = begun.elapsed();
            let hit = get(&mut client, &name, &name);
            asked += 1;
            hits += usize::from(hit);
            // One that was moved to disk meanwhile has to wait for it.
            longest = longest.max(if hit { begun.elapsed().max(pinged) } else { pinged });
            std::thread::sleep(Duration::from_millis(1));
        }
        println!(
            "stalled: {} calls, {} at the end; {hits} hits of {asked}, the longest answer took {longest:?}",
            stall.fired(),
            stall.stalled()
        );
        assert!(hits * 100 > asked * 90, "{hits} of {asked} were found in memory");
        longest
    })
}

#[test]
fn memory_is_served_while_the_device_stalls() {
    for workers in [1, 2] {
        let Some((disk, mut subject)) = filled(workers) else { return };
        let stall = disk.inject(Fault::stall(&[Op::Read, Op::Write, Op::Sync]).on(SEGMENTS));
        let longest = serve(&mut subject, &stall);
        assert!(stall.fired() > 0, "nothing was stalled");
        assert!(longest <= ANSWER_MAX, "{longest:?}");
        stall.clear();
        // It comes back by itself: what leaves memory is written again.
        let mut client = subject.agent().client();
        assert!(
            writes_again(&mut client, "late"),
            "nothing is written after the stall:\n{}",
            subject.agent().log()
        );
        drop(client);
        subject.end(End::Terminate);
    }
}

#[test]
fn a_device_that_stalls_for_ever_does_not_keep_the_agent_from_its_end() {
    let Some((disk, mut subject)) = filled(1) else { return };
    let stall = disk.inject(Fault::stall(&[Op::Read, Op::Write, Op::Sync]).on(SEGMENTS));
    let mut client = subject.agent().client();
    let begun = poll_until(LIMIT, || {
        (0..100).for_each(|number| set(&mut client, &format!("new:{number}"), &value_of("new")));
        (stall.stalled() > 0).then_some(())
    });
    assert!(begun.is_some(), "nothing was stalled");
    drop(client);
    // Within the harness's own limit, which is longer than a drain.
    subject.end(End::Terminate);
}

#[test]
fn a_device_that_fails_is_done_without_and_used_again() {
    for fault in [
        Fault::fail(&[Op::Write, Op::Allocate], Errno::IO),
        Fault::fail(&[Op::Write, Op::Allocate], Errno::NOSPC),
        Fault::fail(&[Op::Read], Errno::IO),
    ] {
        let Some((disk, mut subject)) = filled(1) else { return };
        let injected = disk.inject(fault.clone());
        let mut client = subject.agent().client();
        let fired = poll_until(LIMIT, || {
            for number in 0..100 {
                set(&mut client, &format!("new:{number}"), &value_of("new"));
                let name = format!("cold:{number}");
                get(&mut client, &name, &value_of(&name));
                client.call(&format!("DEL cold:{}", number + 100));
            }
            (injected.fired() > 0).then_some(())
        });
        assert!(fired.is_some(), "{fault:?} did not fire");
        for number in 0..HOT {
            let name = format!("hot:{number}");
            set(&mut client, &name, &name);
            assert!(get(&mut client, &name, &name), "memory is served");
        }
        injected.clear();
        assert!(
            writes_again(&mut client, "late"),
            "nothing is written after {fault:?}:\n{}",
            subject.agent().log()
        );
        drop(client);
        subject.end(End::Kill);
        let mut client = subject.start(1).client();
        (100..200).for_each(|number| {
            let name = format!("cold:{number}");
            assert!(!get(&mut client, &name, &value_of(&name)), "{name} was deleted before {fault:?}");
        });
        subject.end(End::Kill);
    }
}
