//! Clients that put back what others deleted or overwrote, as a cache would that forgets: they must be found out.

use std::collections::BTreeMap;
use std::time::Duration;

use larder_tests::resp::{Client, Value};

use crate::findings::Findings;
use crate::life::Life;
use crate::random::Random;

/// Lies in the keys of one database until the agent ends; returns how often it did.
pub(crate) fn live(life: &Life, database: u32, names: &[String]) -> u64 {
    let mut findings = Findings::new("liar");
    let mut random = Random::of(life.seed, life.number, 700);
    let Some(mut client) = life.connect(database, &mut findings) else { return 0 };
    let mut known: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    let mut lies = 0;
    while life.goes_on() {
        let name = &names[random.place(names.len())];
        let Ok(found) = client.command(&["GET", name]) else { break };
        match (known.remove(name.as_str()), found) {
            (Some(old), found) if found != Value::Bulk(old.clone()) => {
                if client.command(&[b"SET", name.as_bytes(), &old]).is_err() {
                    break;
                }
                lies += 1;
            }
            (_, Value::Bulk(value)) => {
                known.insert(name, value);
            }
            _ => (),
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    lies
}

/// What some keys held at a moment.
pub(crate) type Snapshot = Vec<(u32, String, Vec<u8>)>;

/// Remembers what these keys hold now.
pub(crate) fn remember(life: &Life, names: &[(u32, Vec<String>)]) -> Snapshot {
    let mut findings = Findings::new("liar");
    let mut snapshot = Vec::new();
    for (database, names) in names {
        let Some(mut client) = life.connect(*database, &mut findings) else { return snapshot };
        for name in names {
            match client.command(&["GET", name]) {
                Ok(Value::Bulk(value)) => snapshot.push((*database, name.clone(), value)),
                Ok(_) => (),
                Err(_) => return snapshot,
            }
        }
    }
    snapshot
}

/// Puts back what was remembered in an earlier life, as a disk would that lost what came after.
pub(crate) fn put_back(client: &mut Client, snapshot: &Snapshot) {
    for (database, name, value) in snapshot {
        client.call(&format!("SELECT {database}"));
        client.command(&[b"SET", name.as_bytes(), value]).expect("a reply");
    }
}
