//! SCAN: a key that is there throughout is found, whatever others do meanwhile.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use larder_tests::agent::Agent;
use larder_tests::resp::{Client, Value};

use super::{ok, rounds};

const STAYING: usize = 5_000;

fn scan(client: &mut Client, options: &[&str], mut between: impl FnMut()) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        let reply = client.command(&[&["SCAN", &cursor], options].concat()).expect("a reply");
        let parts = reply.items().unwrap_or_else(|| panic!("{reply:?}"));
        found.extend(parts[1].items().expect("names").iter().map(|name| name.text().expect("a name")));
        cursor = parts[0].text().expect("a cursor");
        if cursor == "0" {
            return found;
        }
        between();
    }
}

fn fill(client: &mut Client) {
    for first in (0..STAYING).step_by(500) {
        let commands: Vec<_> = (first..first + 500)
            .map(|number| ["SET".to_owned(), format!("stay:{number}"), "v".to_owned()])
            .collect();
        client.pipeline(&commands).expect("replies").iter().for_each(|reply| assert_eq!(*reply, ok()));
    }
}

fn is_complete(found: &[String]) -> bool {
    let found: HashSet<_> = found.iter().collect();
    (0..STAYING).all(|number| found.contains(&format!("stay:{number}")))
}

#[test]
fn nothing_that_stays_is_missed() {
    for workers in ["1", "4"] {
        let agent = Agent::builder().args(&["--workers", workers, "--memory", "256MiB"]).start();
        fill(&mut agent.client());
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // Grows the index under the scan, empties it again, changes values in place and moves them.
            for number in 0..2 {
                let (agent, ended) = (&agent, &ended);
                scope.spawn(move || {
                    let mut client = agent.client();
                    while !ended.load(Relaxed) {
                        for verb in ["SET", "DEL"] {
                            let commands: Vec<Vec<String>> = (0..20_000)
                                .map(|key| {
                                    let name = format!("come:{number}:{key}");
                                    if verb == "SET" {
                                        vec![verb.into(), name, "v".into()]
                                    } else {
                                        vec![verb.into(), name]
                                    }
                                })
                                .collect();
                            for part in commands.chunks(500) {
                                client.pipeline(part).expect("replies");
                            }
                        }
                    }
                });
            }
            scope.spawn(|| {
                let mut client = agent.client();
                assert_eq!(client.call("SELECT 1"), ok());
                while !ended.load(Relaxed) {
                    client.call("MSET a 1 b 2 c 3");
                    client.call("FLUSHDB");
                    client.call("SELECT 2");
                    client.call("SWAPDB 1 2");
                }
            });
            scope.spawn(|| {
                // Other lengths, other TTLs: records move, keys stay.
                let mut client = agent.client();
                let mut turn = 0;
                while !ended.load(Relaxed) {
                    turn += 1;
                    let value = "v".repeat(1 + turn % 1500);
                    for number in (0..STAYING).step_by(97) {
                        assert_eq!(client.call(&format!("SET stay:{number} {value} EX 1000")), ok());
                    }
                }
            });
            let mut client = agent.client();
            let (mut other, mut scans) = (agent.client(), 0);
            for count in ["7", "10", "100", "1000"].iter().cycle().take(rounds(4, 80)) {
                let found = scan(&mut client, &["COUNT", count, "MATCH", "stay:*"], || {
                    scans += 1;
                    if scans % 50 == 0 {
                        assert_eq!(other.call("PING"), super::pong());
                    }
                });
                if !is_complete(&found) {
                    ended.store(true, Relaxed);
                }
                assert!(is_complete(&found), "{workers} workers, COUNT {count}: keys are missing");
            }
            ended.store(true, Relaxed);
        });
    }
}

#[test]
fn in_peace_every_name_comes_once() {
    let agent = Agent::start();
    let mut client = agent.client();
    fill(&mut client);
    let mut found = scan(&mut client, &[], || {});
    assert_eq!(found.len(), STAYING);
    assert!(is_complete(&found));
    found.sort();
    found.dedup();
    assert_eq!(found.len(), STAYING, "names came twice");
    assert_eq!(scan(&mut client, &["MATCH", "stay:12?"], || {}).len(), 10);
    assert_eq!(scan(&mut client, &["TYPE", "list"], || {}), [""; 0]);
    assert_eq!(scan(&mut client, &["TYPE", "string"], || {}).len(), STAYING);
    for wrong in ["SCAN x", "SCAN 0 COUNT 0", "SCAN 0 COUNT x", "SCAN 0 NOSUCH 1"] {
        assert!(client.call(wrong).is_error(), "{wrong}");
    }
    // Cursors that nobody gave out are answered somehow, not crashed on.
    for cursor in ["1", "4294967296", "18446744073709551615", "9999999999999"] {
        let reply = client.call(&format!("SCAN {cursor}"));
        assert!(matches!(reply, Value::Array(_)), "{cursor}: {reply:?}");
    }
    assert!(client.call("SCAN 18446744073709551616").is_error());
}
