//! Ten thousand connections, half of them idle, and clients that come and go.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use larder_tests::agent::Agent;
use larder_tests::http::Metrics;
use larder_tests::resp::{Client, Value};
use larder_tests::{poll_until, raise_file_limit};

use super::arena::{Arena, Rude};

/// The default of `--max-clients`, less those of the test's own.
const MANY: usize = 9_900;

/// What an idle connection may cost.
const IDLE_BYTES: usize = 4096;

#[test]
fn ten_thousand_connections_half_idle() {
    let _alone = super::alone_with_a_crowd();
    assert!(raise_file_limit() > 10_500, "this test needs 10,500 open files: raise `ulimit -Hn`");
    let arena = Arena::new();
    let before = arena.agent.rss_bytes();
    let idle: Vec<_> =
        (0..MANY).map(|_| UnixStream::connect(arena.agent.socket()).expect("a connect")).collect();
    let all = poll_until(Duration::from_secs(30), || {
        (Metrics::of(&arena.agent).value("larder_clients") >= MANY as f64).then_some(())
    });
    assert!(all.is_some(), "not all are let in");
    let each = (arena.agent.rss_bytes().saturating_sub(before)) as usize / MANY;
    println!("an idle connection costs {each} bytes");
    assert!(each <= IDLE_BYTES, "{each} bytes each");
    // Half of them ask, all at the same time, again and again.
    let mut busy: Vec<_> = idle.into_iter().enumerate().collect();
    let mut reply = [0; 64];
    for round in 0..super::amount(5, 100) {
        for (number, stream) in busy.iter_mut().filter(|(number, _)| number % 2 == 0) {
            use std::io::Write;
            write!(stream, "SET k:{number} {round}\r\n").expect("sent");
        }
        for (number, stream) in busy.iter_mut().filter(|(number, _)| number % 2 == 0) {
            use std::io::Read;
            stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
            let got = stream.read(&mut reply).unwrap_or_else(|error| panic!("client {number}: {error}"));
            assert_eq!(&reply[..got], b"+OK\r\n");
        }
    }
    let idle_again = arena.agent.rss_bytes().saturating_sub(before) as usize / MANY;
    println!("and {idle_again} after half of them have worked");
    drop(busy);
    let gone = poll_until(Duration::from_secs(30), || {
        (Metrics::of(&arena.agent).value("larder_clients") < 10.0).then_some(())
    });
    assert!(gone.is_some(), "clients that left are still there");
    arena.verdict();
}

#[test]
fn clients_that_leave_at_once() {
    let arena = Arena::with(128 << 20, Agent::builder().tcp());
    for number in 0..super::amount(3_000, 50_000) {
        // Without a word, in the middle of one, and without waiting for the answer.
        let mut client = Rude::new(&arena.agent);
        match number % 4 {
            0 => {}
            1 => drop(client.send_what_fits(b"*2\r\n$3\r\nGET\r\n$100\r\nhalf of")),
            2 => drop(client.send_what_fits(b"MULTI\r\nWATCH a\r\nSET a b\r\n")),
            _ => drop(client.send_what_fits(b"WATCH a\r\nMULTI\r\nGET a\r\nEXEC\r\nKEYS *\r\nINFO\r\n")),
        }
        if number % 10 == 0 {
            drop(Client::connect_tcp(arena.agent.tcp()).map(|mut client| client.send_raw(b"PING\r\nPING")));
        }
    }
    let gone = poll_until(Duration::from_secs(10), || {
        let metrics = Metrics::of(&arena.agent);
        let list = arena.agent.client().call("CLIENT LIST").text()?.lines().count();
        (metrics.value("larder_clients") <= 3.0
            && list <= 3
            && metrics.value("larder_client_buffers_bytes") < 1e5)
            .then_some(())
    });
    assert!(gone.is_some(), "clients that left are still counted");
    arena.verdict();
}

/// CLIENT LIST and KILL with thousands of clients around.
#[test]
fn a_crowd_is_listed_and_killed() {
    let arena = Arena::new();
    let crowd: Vec<_> =
        (0..3_000).map(|_| UnixStream::connect(arena.agent.socket()).expect("a connect")).collect();
    let mut operator = arena.agent.client();
    let listed = poll_until(Duration::from_secs(30), || {
        (operator.call("CLIENT LIST").text()?.lines().count() > crowd.len()).then_some(())
    });
    assert!(listed.is_some());
    let info = operator.call("INFO clients").text().unwrap();
    assert!(info.contains("connected_clients:30"), "{info}");
    // All older than a second or not, but never the prober, which has a name of its own to be found by: by id.
    let list = operator.call("CLIENT LIST").text().unwrap();
    let idle = list.lines().filter(|line| line.contains("cmd=NULL"));
    let ids: Vec<_> = idle.filter_map(|line| line.strip_prefix("id=")?.split(' ').next()).collect();
    for id in &ids {
        operator.call(&format!("CLIENT KILL ID {id}"));
    }
    assert!(ids.len() >= crowd.len());
    let gone = poll_until(Duration::from_secs(10), || {
        (operator.call("CLIENT LIST").text()?.lines().count() <= 3).then_some(())
    });
    assert!(gone.is_some());
    assert_eq!(operator.call("PING"), Value::Simple(b"PONG".to_vec()));
    arena.verdict();
}
