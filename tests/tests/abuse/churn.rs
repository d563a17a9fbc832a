//! Ordinary writes in great number, in sizes that do not fit each other, in a cache that is full.

use larder_tests::agent::Agent;
use larder_tests::resp::Value;

use super::MIB;
use super::arena::Arena;

/// A generator that needs no state beyond a number, so that a failure can be run again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }
}

/// Four connections overwrite, read, expire and delete keys with values of up to these sizes, one phase after the other.
/// A value tells its key and its length, so that one under another's key would be seen.
fn churn(arena: &Arena, sizes: &[usize], batches: usize) {
    std::thread::scope(|scope| {
        for seed in 0..4 {
            scope.spawn(move || {
                let mut random = Random(seed);
                let mut client = arena.agent.client();
                for &size in sizes {
                    // An ordinary client has no more than a megabyte on its way.
                    let depth = (MIB / size).clamp(1, 50);
                    for _ in 0..batches {
                        let commands: Vec<Vec<Vec<u8>>> = (0..depth)
                            .map(|_| {
                                let key = format!("churn:{}", random.below(200_000)).into_bytes();
                                match random.below(10) {
                                    0 => vec![b"DEL".to_vec(), key],
                                    1 => {
                                        vec![b"PEXPIRE".to_vec(), key, random.below(2000).to_string().into()]
                                    }
                                    2 | 3 => vec![b"GET".to_vec(), key],
                                    _ => {
                                        let length = size / 3 + random.below(size);
                                        let mut value = [&key[..], b"="].concat();
                                        value.resize(value.len() + length, b'v');
                                        vec![b"SET".to_vec(), key, value]
                                    }
                                }
                            })
                            .collect();
                        let replies = client.pipeline(&commands).expect("replies");
                        for (command, reply) in commands.iter().zip(replies) {
                            assert!(!reply.is_error(), "{reply:?}");
                            if let (b"GET", Value::Bulk(value)) = (&command[0][..], &reply) {
                                assert!(
                                    value.starts_with(&[&command[1][..], b"="].concat()),
                                    "another key's value"
                                );
                            }
                        }
                    }
                }
            });
        }
    });
}

#[test]
fn sizes_one_after_the_other() {
    for workers in ["1", "2"] {
        let arena = Arena::with(super::amount(48, 256) * MIB, Agent::builder().args(&["--workers", workers]));
        churn(&arena, &[900, 100, 5_000, 300, 20_000, 700], super::amount(120, 1_500));
        arena.verdict();
    }
}

#[test]
fn all_sizes_at_once() {
    let arena = Arena::with(super::amount(64, 256) * MIB, Agent::builder());
    let sizes: Vec<_> = [10, 2_000, 700, 50_000, 90, 300_000].into_iter().cycle().take(60).collect();
    churn(&arena, &sizes, super::amount(8, 80));
    arena.verdict();
}

/// The smallest cache there is, with as little beside it as there may be.
#[test]
fn little_memory() {
    let arena = Arena::with(40 * MIB, Agent::builder());
    churn(&arena, &[500, 5_000, 100, 60_000], super::amount(100, 1_000));
    arena.verdict();
}
