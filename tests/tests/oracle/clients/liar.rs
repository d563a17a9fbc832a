//! A client that puts back what others deleted or overwrote, as a cache would that forgets: it must be found out.

use std::collections::BTreeMap;
use std::time::Duration;

use larder_tests::resp::Value;

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
