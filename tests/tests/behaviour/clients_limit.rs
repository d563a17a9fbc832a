//! How many clients there may be, and what happens to the one too many.

use std::sync::Barrier;
use std::time::Duration;

use larder_tests::agent::Agent;
use larder_tests::http::Metrics;
use larder_tests::probe::Prober;
use larder_tests::resp::{Client, Value};
use larder_tests::{poll_until, raise_file_limit};

use super::pong;

const LIMIT: Duration = Duration::from_secs(10);

fn refusal() -> Value {
    Value::Error(b"ERR max number of clients reached".to_vec())
}

#[test]
fn the_client_past_the_limit_is_told_and_the_others_notice_nothing() {
    let agent = Agent::builder().tcp().args(&["--max-clients", "5"]).start();
    // The one that saw the agent start may not be gone yet.
    let prober = poll_until(LIMIT, || {
        (Metrics::of(&agent).value("larder_clients") == 0.0).then(|| Prober::start_on_one_connection(&agent))
    });
    let prober = prober.expect("no clients at first");
    let mut others: Vec<_> = (0..4).map(|_| agent.client()).collect();
    others.iter_mut().for_each(|client| assert_eq!(client.call("PING"), pong()));
    for _ in 0..100 {
        // Reads only: what it would write may find the connection closed already.
        for mut refused in [agent.client(), Client::connect_tcp(agent.tcp()).unwrap()] {
            assert_eq!(refused.read().unwrap(), refusal());
            assert!(refused.read().is_err());
        }
    }
    others.iter_mut().for_each(|client| assert_eq!(client.call("PING"), pong()));
    assert!(prober.finish().rounds > 0);
    let metrics = Metrics::of(&agent);
    assert_eq!(metrics.value("larder_clients_rejected_total{reason=\"limit\"}"), 200.0);
    assert_eq!(metrics.value("larder_clients_limit"), 5.0);
    // A place that is given up is there again.
    drop(others.pop());
    let again = poll_until(LIMIT, || agent.client().command(&["PING"]).ok().filter(|reply| *reply == pong()));
    assert!(again.is_some());
}

#[test]
fn config_set_changes_the_limit() {
    let agent = Agent::start();
    let mut client = agent.client();
    assert_eq!(client.call("CONFIG SET maxclients 1"), super::ok());
    assert_eq!(agent.client().read().unwrap(), refusal());
    assert_eq!(client.call("PING"), pong());
    assert_eq!(client.call("CONFIG SET maxclients 100"), super::ok());
    assert_eq!(agent.client().call("PING"), pong());
}

#[test]
fn a_thousand_connect_at_once() {
    assert!(raise_file_limit() > 3000, "this test needs 3,000 open files: raise `ulimit -Hn`");
    for workers in ["1", "2"] {
        let agent = Agent::builder().args(&["--workers", workers]).start();
        let (threads, each) = (50, 20);
        let barrier = Barrier::new(threads);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    barrier.wait();
                    // All connect before any asks.
                    let mut clients: Vec<_> = (0..each)
                        .map(|_| Client::connect(agent.socket()).expect("a connect succeeds"))
                        .collect();
                    barrier.wait();
                    clients.iter_mut().for_each(|client| assert_eq!(client.call("PING"), pong()));
                });
            }
        });
    }
}

/// With the agent stopped, nothing is taken from the backlog: it must hold all of them.
#[test]
fn the_backlog_holds_a_thousand() {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
    use rustix::process::Signal;
    assert!(raise_file_limit() > 3000, "this test needs 3,000 open files: raise `ulimit -Hn`");
    let mut agent = Agent::start();
    agent.signal(Signal::STOP);
    let address = SocketAddrUnix::new(agent.socket()).unwrap();
    let sockets: Vec<_> = (0..1000)
        .map(|number| {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
            // Without waiting: a full backlog would fail this at once.
            connect(&socket, &address).unwrap_or_else(|error| panic!("connect {number}: {error}"));
            socket
        })
        .collect();
    agent.signal(Signal::CONT);
    for socket in sockets {
        rustix::io::write(&socket, b"PING\r\n").unwrap();
        let mut reply = [0; 16];
        let got = poll_until(LIMIT, || rustix::io::read(&socket, &mut reply).ok());
        assert_eq!(got.map(|got| reply[..got].to_vec()), Some(b"+PONG\r\n".to_vec()));
    }
}

#[test]
fn the_limit_of_open_files_is_raised_and_counted_with() {
    let agent = Agent::builder().through(&["prlimit", "--nofile=256:2000"]).start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", agent.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<_> = line.split_whitespace().filter_map(|word| word.parse::<u64>().ok()).collect();
    assert_eq!(numbers, [2000, 2000]);
    let clients = Metrics::of(&agent).value("larder_clients_limit");
    assert!((1800.0..2000.0).contains(&clients), "{clients}");
    assert!(agent.log().contains("max-clients is"), "the operator is not told:\n{}", agent.log());
}
