//! What clients do to each other: CLIENT PAUSE, UNPAUSE, KILL and REPLY, and WATCH.

use std::time::Duration;

use larder_tests::agent::Agent;
use larder_tests::poll_until;
use larder_tests::resp::{Client, Value, encode};

use super::{bulk, ok, pong};

const LIMIT: Duration = Duration::from_secs(10);

/// Whether nothing arrives for a while; what is asked is that a pause holds, so there is nothing to poll for.
fn is_silent(client: &mut Client) -> bool {
    client.set_read_limit(Some(Duration::from_millis(200))).expect("a limit");
    let mut byte = [0; 1];
    let silent =
        client.read_raw(&mut byte).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    client.set_read_limit(Some(LIMIT)).expect("a limit");
    silent
}

#[test]
fn a_pause_of_writes_holds_writes_only() {
    let agent = Agent::start();
    let (mut operator, mut writer, mut reader) = (agent.client(), agent.client(), agent.client());
    assert_eq!(operator.call("CLIENT PAUSE 60000 WRITE"), ok());
    writer.send_raw(&encode(&["SET", "k", "v"])).unwrap();
    assert!(is_silent(&mut writer));
    assert!(reader.call("GET k").is_null());
    assert_eq!(reader.call("MULTI"), ok());
    assert_eq!(operator.call("CLIENT UNPAUSE"), ok());
    assert_eq!(writer.read().unwrap(), ok());
    assert_eq!(operator.call("GET k"), bulk("v"));
}

#[test]
fn a_pause_of_all_holds_all_and_ends_by_itself() {
    let agent = Agent::start();
    let (mut operator, mut client) = (agent.client(), agent.client());
    assert_eq!(operator.call("CLIENT PAUSE 60000 ALL"), ok());
    client.send_raw(&encode(&["GET", "k"])).unwrap();
    assert!(is_silent(&mut client));
    // A new client waits as well, and unpausing frees both.
    let mut new = agent.client();
    new.send_raw(b"PING\r\n").unwrap();
    assert!(is_silent(&mut new));
    assert_eq!(operator.call("CLIENT UNPAUSE"), ok());
    assert!(client.read().unwrap().is_null());
    assert_eq!(new.read().unwrap(), pong());
    assert_eq!(operator.call("CLIENT PAUSE 300"), ok());
    assert_eq!(client.call("PING"), pong());
    for wrong in ["CLIENT PAUSE x", "CLIENT PAUSE -1", "CLIENT PAUSE 1 SOME"] {
        assert!(operator.call(wrong).is_error(), "{wrong}");
    }
}

fn id_of(client: &mut Client) -> i64 {
    client.call("CLIENT ID").int().expect("a number")
}

#[test]
fn kill_closes_whom_it_means() {
    let agent = Agent::builder().tcp().start();
    let mut operator = agent.client();
    let mut victim = agent.client();
    let id = id_of(&mut victim);
    assert_eq!(operator.call(&format!("CLIENT KILL ID {id}")), Value::Int(1));
    assert!(victim.read().is_err());
    assert_eq!(operator.call(&format!("CLIENT KILL ID {id}")), Value::Int(0));
    // By its address, which over TCP is its own.
    let mut tcp = Client::connect_tcp(agent.tcp()).unwrap();
    let info = tcp.call("CLIENT INFO").text().unwrap();
    let address = info.split(' ').find_map(|field| field.strip_prefix("addr=")).unwrap().to_owned();
    assert_eq!(operator.call(&format!("CLIENT KILL {address}")), ok());
    assert!(tcp.read().is_err());
    assert!(operator.call(&format!("CLIENT KILL {address}")).is_error());
    // All but itself; and one that is paused in the middle of a command.
    let mut others: Vec<_> = (0..10).map(|_| agent.client()).collect();
    others.iter_mut().for_each(|client| assert_eq!(client.call("PING"), pong()));
    assert_eq!(operator.call("CLIENT PAUSE 60000 WRITE"), ok());
    others[0].send_raw(&encode(&["SET", "k", "v"])).unwrap();
    let killed = operator.call("CLIENT KILL TYPE normal").int().unwrap();
    assert!(killed >= 10, "{killed}");
    assert!(others.iter_mut().all(|client| client.read().is_err()));
    assert_eq!(operator.call("CLIENT UNPAUSE"), ok());
    let alone = poll_until(LIMIT, || {
        let list = operator.call("CLIENT LIST").text()?;
        (list.lines().count() == 1).then_some(())
    });
    assert!(alone.is_some(), "{:?}", operator.call("CLIENT LIST"));
    let me = id_of(&mut operator);
    assert_eq!(operator.call(&format!("CLIENT KILL ID {me} SKIPME no")), Value::Int(1));
    assert!(operator.read().is_err());
}

#[test]
fn reply_off_and_skip_take_replies_away() {
    let agent = Agent::start();
    let mut client = agent.client();
    let batch = [
        &["CLIENT", "REPLY", "OFF"][..],
        &["SET", "k", "v"],
        &["NOSUCH"],
        &["GET", "k"],
        &["CLIENT", "REPLY", "ON"],
        &["CLIENT", "REPLY", "SKIP"],
        &["INCR", "n"],
        &["INCR", "n"],
    ];
    client.send_raw(&batch.iter().flat_map(|words| encode(words)).collect::<Vec<_>>()).unwrap();
    assert_eq!(client.read().unwrap(), ok());
    assert_eq!(client.read().unwrap(), Value::Int(2));
    assert_eq!(client.call("GET k"), bulk("v"));
}

#[test]
fn watch_sees_what_others_do() {
    for workers in ["1", "4"] {
        let agent = Agent::builder().args(&["--workers", workers]).start();
        // With several workers these are on different ones.
        let (mut watcher, mut other) = (agent.client(), agent.client());
        for (prepare, change, aborts) in [
            ("DEL k", "SET k 1", true),
            ("SET k 1", "SET k 1", true),
            ("SET k 1", "DEL k", true),
            ("SET k 1", "INCR k", true),
            ("SET k 1", "EXPIRE k 100", true),
            ("SET k 1", "APPEND k 1", true),
            ("SET k 1", "FLUSHDB", true),
            ("SET k 1", "FLUSHALL", true),
            ("SET k 1", "SWAPDB 0 1", true),
            ("SET k 1", "RENAME k l", true),
            ("MSET k 1 l 2", "RENAME l k", true),
            ("MSET k 1 l 2", "COPY l k REPLACE", true),
            ("SET k 1", "GETDEL k", true),
            ("SET k 1", "GET k", false),
            ("DEL k", "DEL k", false),
            ("SET k 1", "SET l 1", false),
            ("SET k 1", "TOUCH k", false),
            ("FLUSHALL", "FLUSHALL", false),
        ] {
            watcher.call(prepare);
            assert_eq!(watcher.call("WATCH k"), ok());
            assert!(!other.call(change).is_error(), "{change}");
            assert_eq!(watcher.call("MULTI"), ok());
            watcher.call("SET mine yes");
            let executed = watcher.call("EXEC");
            assert_eq!(
                executed == Value::NullArray,
                aborts,
                "{workers} workers: {prepare}; WATCH; {change}: {executed:?}"
            );
            other.call("FLUSHALL");
        }
        // Expired meanwhile, too.
        watcher.call("SET k 1 PX 30");
        assert_eq!(watcher.call("WATCH k"), ok());
        let gone = poll_until(LIMIT, || other.call("GET k").is_null().then_some(()));
        assert!(gone.is_some());
        watcher.call("MULTI");
        watcher.call("PING");
        assert_eq!(watcher.call("EXEC"), Value::NullArray);
        // UNWATCH and an EXEC take the watch off.
        for end in ["UNWATCH", "DISCARD", "EXEC"] {
            watcher.call("WATCH k");
            if end != "UNWATCH" {
                watcher.call("MULTI");
            }
            watcher.call(end);
            other.call("SET k changed");
            watcher.call("MULTI");
            watcher.call("GET k");
            assert_eq!(watcher.call("EXEC"), Value::Array(vec![bulk("changed")]), "after {end}");
        }
    }
}

#[test]
fn an_idle_client_is_closed_after_the_timeout() {
    let agent = Agent::builder().args(&["--idle-timeout", "1s"]).start();
    let (mut idle, mut busy) = (agent.client(), agent.client());
    let closed = poll_until(LIMIT, || {
        assert_eq!(busy.call("PING"), pong(), "a busy client was closed");
        idle.closes_within(Duration::from_millis(20)).expect("a look").then_some(())
    });
    assert!(closed.is_some(), "an idle client is not closed");
}
