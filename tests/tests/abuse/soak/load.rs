//! One client of the soak: which command comes next, and whether its answer can be right.

use std::io::{Error, ErrorKind};
use std::iter::Sum;
use std::time::{Duration, Instant};

use larder_tests::agent::Agent;
use larder_tests::resp::{Client, Value};

use crate::MIB;

/// Keys of values; counters have names of their own.
const KEYS: usize = 60_000;
const COUNTERS: usize = 500;
const TAGS: usize = 1_000;
/// Sizes that values have for a while: from, and up to.
const SIZES: [(usize, usize); 6] =
    [(10, 400), (900, 3_000), (10, usize::MAX), (20_000, 60_000), (100, 1_100), (200_000, usize::MAX)];
/// How many there are.
pub(crate) const PHASES: u32 = SIZES.len() as u32;
/// What is on its way in one write, at most, unless a single value is longer.
const WRITE_MAX: usize = MIB / 2;
const DEPTH_MAX: usize = 40;
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// What a client has done.
#[derive(Clone, Copy, Default)]
pub(crate) struct Done {
    pub(crate) commands: u64,
    /// Connections that the agent has closed.
    pub(crate) closed: u64,
    /// Commands that were refused for want of room.
    pub(crate) refused: u64,
}

impl Sum for Done {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            commands: sum.commands + one.commands,
            closed: sum.closed + one.closed,
            refused: sum.refused + one.refused,
        })
    }
}

pub(crate) struct Load<'a> {
    state: u64,
    agent: &'a Agent,
    longest: usize,
}

impl<'a> Load<'a> {
    pub(crate) fn new(seed: u64, agent: &'a Agent, longest: usize) -> Self {
        Self { state: seed, agent, longest }
    }

    fn connect(&self) -> Client {
        let client = self.agent.client();
        client.set_read_limit(Some(ANSWER_MAX)).expect("a limit");
        client
    }

    fn below(&mut self, limit: usize) -> usize {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.state >> 33).expect("31 bits") % limit
    }

    /// Of each order of magnitude as many; now and then the longest that is taken.
    fn length(&mut self, (from, to): (usize, usize)) -> usize {
        let to = to.min(self.longest);
        if to == self.longest && self.below(400) == 0 {
            return self.longest;
        }
        let share = self.below(1 << 20) as f64 / f64::from(1 << 20);
        (from as f64 * (to as f64 / from as f64).powf(share)) as usize
    }

    /// Loads until the time is over.
    pub(crate) fn run(mut self, begun: Instant, lasts: Duration, phase: Duration) -> Done {
        let (mut client, mut done) = (self.connect(), Done::default());
        while begun.elapsed() < lasts {
            let phase = (begun.elapsed().as_nanos() / phase.as_nanos()) as usize % SIZES.len();
            let batch = self.batch(SIZES[phase]);
            match client.pipeline(&batch) {
                Ok(replies) => {
                    if let Some(place) = replies.iter().position(Value::is_error) {
                        let told = client.call("INFO memory").text().unwrap_or_default();
                        println!("{}: {:?}\n{told}", brief(&batch[place]), replies[place]);
                    }
                    done.refused += batch
                        .iter()
                        .zip(&replies)
                        .map(|(words, reply)| u64::from(check(words, reply)))
                        .sum::<u64>();
                    done.commands += batch.len() as u64;
                }
                Err(error) if is_closed(&error) => {
                    done.closed += 1;
                    client = self.connect();
                }
                Err(error) => panic!("after {:?}: {error}", begun.elapsed()),
            }
        }
        done
    }

    /// Long in one direction at most: who sends much before he reads much would wait for himself.
    fn batch(&mut self, sizes: (usize, usize)) -> Vec<Vec<Vec<u8>>> {
        let (depth, reads) = (1 + self.below(DEPTH_MAX), self.below(100) < 40);
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < depth && bytes < WRITE_MAX {
            let words = self.command(sizes, reads);
            bytes += words.iter().map(Vec::len).sum::<usize>();
            batch.push(words);
        }
        batch
    }

    fn command(&mut self, sizes: (usize, usize), reads: bool) -> Vec<Vec<u8>> {
        // Half of what is asked for is a tenth of the keys.
        let range = if self.below(2) == 0 { KEYS / 10 } else { KEYS };
        let key = format!("soak:{}", self.below(range));
        let tag = format!("tag:{}", self.below(TAGS));
        let text = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect();
        match self.below(60) + 40 {
            _ if reads => text(&["GET", &key]),
            40..44 => text(&["DEL", &key]),
            44..48 => text(&["PEXPIRE", &key, &(1 + self.below(20_000)).to_string()]),
            48..52 => text(&["INCR", &format!("count:{}", self.below(COUNTERS))]),
            52..53 if self.below(4) == 0 => text(&["LARDER.PURGE", "TAG", &tag]),
            53..66 => {
                let mut words: Vec<Vec<u8>> = text(&["LARDER.SET", &key]);
                words.push(self.value(&key, sizes));
                words.extend(text(&["EX", "600", "TAGS", "1", &tag]));
                words
            }
            66..67 => text(&["STRLEN", &key]),
            67..68 => text(&["TTL", &key]),
            _ => {
                let mut words: Vec<Vec<u8>> = text(&["SET", &key]);
                words.push(self.value(&key, sizes));
                if self.below(4) == 0 {
                    words.extend(text(&["PX", &(1 + self.below(30_000)).to_string()]));
                }
                words
            }
        }
    }

    /// A value tells its key, so that one under another's would be seen.
    fn value(&mut self, key: &str, sizes: (usize, usize)) -> Vec<u8> {
        let mut value = format!("{key}=").into_bytes();
        let length = self.length(sizes).max(value.len());
        // Of bytes that no page shares with others.
        let fill = self.below(256) as u8;
        value.resize(length, fill);
        value
    }
}

fn is_closed(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}

fn brief(words: &[Vec<u8>]) -> String {
    words.iter().take(2).map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join(" ")
}

/// Whether the command was refused for want of room, as one with a long value may be while clients hold much.
fn check(words: &[Vec<u8>], reply: &Value) -> bool {
    let shown =
        || words.iter().take(2).map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join(" ");
    if matches!(reply, Value::Error(why) if why.starts_with(b"OOM")) {
        let bytes: usize = words.iter().map(Vec::len).sum();
        assert!(bytes > MIB, "{}: no room for {bytes} bytes", shown());
        return true;
    }
    assert!(!reply.is_error(), "{}: {reply:?}", shown());
    if let (b"GET", Value::Bulk(value)) = (&words[0][..], reply) {
        assert!(value.starts_with(&[&words[1][..], b"="].concat()), "{}: another key's value", shown());
    }
    false
}
