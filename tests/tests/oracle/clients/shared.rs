//! Clients that write the same keys at the same time.
//!
//! Each notes what it sent and was told; when the agent is dead the notes of all are put together and every read is judged.

use larder_tests::resp::Value;

use crate::findings::{Findings, brief};
use crate::life::{Life, words};
use crate::moment::{Moment, SLACK, Span, now};
use crate::random::Random;
use crate::register::{Register, Write};

pub(crate) const DATABASE: u32 = 0;
const KEYS: usize = 40;
const DEPTH: u64 = 8;

fn name_of(key: usize) -> String {
    format!("shared:{key}")
}

/// What a client noted.
#[derive(Debug)]
pub(crate) struct Note {
    /// None: all of them.
    key: Option<usize>,
    sent: Moment,
    /// None: the connection was lost before.
    answered: Option<Moment>,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Write {
        id: u64,
        ttl_ms: Option<u64>,
    },
    Remove,
    /// The value that was found.
    Read {
        id: u64,
    },
    Miss,
}

/// What all of them together know.
#[derive(Debug)]
pub(crate) struct Shared {
    registers: Vec<Register>,
    pub(crate) findings: Findings,
}

impl Shared {
    pub(crate) fn new() -> Self {
        let findings = Findings::new(format!("shared keys of database {DATABASE}"));
        Self { registers: vec![Register::default(); KEYS], findings }
    }

    pub(crate) fn names() -> Vec<String> {
        (0..KEYS).map(name_of).collect()
    }

    /// Everything was emptied while nobody did anything.
    pub(crate) fn emptied(&mut self) {
        self.registers = vec![Register::default(); KEYS];
        (0..KEYS).for_each(|key| self.findings.note(&name_of(key), "everything emptied"));
    }

    /// Puts together what the clients of a life noted, and judges it. They and the agent have ended.
    pub(crate) fn settle(&mut self, parts: Vec<(Findings, Vec<Note>)>) {
        let ended = now();
        let mut notes = Vec::new();
        for (findings, more) in parts {
            self.findings.tally += findings.tally;
            for text in findings.shown() {
                self.findings.violation("", text);
            }
            notes.extend(more);
        }
        notes.sort_by_key(|note| note.sent);
        for note in &notes {
            let keys = note.key.map_or(0..KEYS, |key| key..key + 1);
            let line = format!("{:.6?} to {:.6?}: {:x?}", note.sent, note.answered, note.what);
            keys.clone().for_each(|key| self.findings.note(&name_of(key), &line));
            let answered = note.answered.unwrap_or(ended);
            let at = Span { sent: note.sent, answered };
            for register in &mut self.registers[keys] {
                match note.what {
                    What::Write { id, ttl_ms } => register.write(Write {
                        id,
                        sent: note.sent,
                        ended: answered,
                        acknowledged: note.answered.is_some(),
                        until: ttl_ms.map(|ttl| answered + Moment::from_millis(ttl) + SLACK),
                    }),
                    What::Remove if note.answered.is_some() => register.removed(at),
                    What::Read { id } => register.saw(id, at),
                    What::Remove | What::Miss => (),
                }
            }
        }
        for note in &notes {
            if let (What::Read { id }, Some(key), Some(answered)) = (note.what, note.key, note.answered)
                && let Err(what) = self.registers[key].judge(id, Span { sent: note.sent, answered })
            {
                self.findings.violation(&name_of(key), format_args!("{what}; read at {:.6?}", note.sent));
            }
        }
        self.registers.iter_mut().for_each(|register| register.settle(ended));
    }
}

/// One of the clients, through one life.
pub(crate) fn live(life: &Life, number: u64) -> (Findings, Vec<Note>) {
    let mut findings = Findings::new(format!("client {number} of shared keys"));
    let mut notes = Vec::new();
    let mut random = Random::of(life.seed, life.number, 100 + number);
    let Some(mut client) = life.connect(DATABASE, &mut findings) else { return (findings, notes) };
    let mut serial = (life.number << 32) | (number << 28);
    let all: Vec<Planned> = (0..KEYS)
        .map(|key| Planned { words: words(&["GET", &name_of(key)]), reads: vec![key], writes: vec![] })
        .collect();
    let mut whole = run(&mut client, life, &all, &mut findings, &mut notes);
    findings.tally.hits_after_restart = findings.tally.hits;
    while whole && life.goes_on() {
        let batch: Vec<_> = (0..=random.below(DEPTH)).map(|_| plan(&mut random, &mut serial)).collect();
        whole = run(&mut client, life, &batch, &mut findings, &mut notes);
    }
    (findings, notes)
}

/// A command and what it does to which keys, all of it at once.
#[derive(Debug)]
struct Planned {
    words: Vec<Vec<u8>>,
    reads: Vec<usize>,
    writes: Vec<(Option<usize>, What)>,
}

fn plan(random: &mut Random, serial: &mut u64) -> Planned {
    let key = random.place(KEYS);
    let name = name_of(key);
    let mut value = |key: usize, random: &mut Random| {
        *serial += 1;
        let mut text = format!("{} {serial:x} ", name_of(key));
        let padding = if random.one_in(20) { 3000 } else { random.place(100) };
        text.extend(std::iter::repeat_n('.', padding));
        (text, *serial)
    };
    let remove = vec![(Some(key), What::Remove)];
    match random.below(100) {
        0..45 => Planned { words: words(&["GET", &name]), reads: vec![key], writes: vec![] },
        45..65 => {
            let (text, id) = value(key, random);
            let ttl_ms = random.one_in(4).then(|| [20, 200, 1_000][random.place(3)]);
            let mut set = words(&["SET", &name, &text]);
            set.extend(ttl_ms.iter().flat_map(|ttl| words(&["PX", &ttl.to_string()])));
            Planned { words: set, reads: vec![], writes: vec![(Some(key), What::Write { id, ttl_ms })] }
        }
        65..70 => {
            let (text, id) = value(key, random);
            let write = (Some(key), What::Write { id, ttl_ms: None });
            Planned { words: words(&["GETSET", &name, &text]), reads: vec![key], writes: vec![write] }
        }
        70..75 => {
            let keys = [key, (key + 1) % KEYS];
            let [(one, first), (other, second)] = keys.map(|key| value(key, random));
            let write = |key, id| (Some(key), What::Write { id, ttl_ms: None });
            let words = words(&["MSET", &name_of(keys[0]), &one, &name_of(keys[1]), &other]);
            Planned { words, reads: vec![], writes: vec![write(keys[0], first), write(keys[1], second)] }
        }
        75..80 => Planned { words: words(&["GETDEL", &name]), reads: vec![key], writes: remove },
        80..98 => {
            let verb = if random.one_in(2) { "DEL" } else { "UNLINK" };
            Planned { words: words(&[verb, &name]), reads: vec![], writes: remove }
        }
        98 if random.one_in(6) => {
            Planned { words: words(&["FLUSHDB"]), reads: vec![], writes: vec![(None, What::Remove)] }
        }
        _ => {
            let keys: Vec<usize> = (0..4).map(|step| (key + step) % KEYS).collect();
            let names = keys.iter().map(|&key| name_of(key).into_bytes());
            let words = [b"MGET".to_vec()].into_iter().chain(names).collect();
            Planned { words, reads: keys, writes: vec![] }
        }
    }
}

fn run(
    client: &mut larder_tests::resp::Client,
    life: &Life,
    batch: &[Planned],
    findings: &mut Findings,
    notes: &mut Vec<Note>,
) -> bool {
    let commands: Vec<_> = batch.iter().map(|planned| planned.words.clone()).collect();
    let sent = now();
    let mut done = 0;
    let whole = life.exchange(client, &commands, findings, |findings, place, at, reply| {
        done = place + 1;
        let planned = &batch[place];
        let note = |key, what| Note { key, sent: at.sent, answered: Some(at.answered), what };
        if reply.is_error() {
            findings.violation("", format_args!("{} answers {reply:?}", brief(&planned.words)));
        }
        let found = reply.items().unwrap_or(std::slice::from_ref(reply));
        for (&key, found) in planned.reads.iter().zip(found) {
            findings.tally.reads += 1;
            findings.tally.hits += u64::from(!found.is_null());
            match id_of(key, found) {
                Ok(what) => notes.push(note(Some(key), what)),
                Err(what) => findings.violation(&name_of(key), what),
            }
        }
        notes.extend(planned.writes.iter().map(|&(key, what)| note(key, what)));
    });
    for planned in &batch[done..] {
        findings.tally.unacknowledged += 1;
        notes.extend(planned.writes.iter().map(|&(key, what)| Note { key, sent, answered: None, what }));
    }
    whole
}

fn id_of(key: usize, reply: &Value) -> Result<What, String> {
    if reply.is_null() {
        return Ok(What::Miss);
    }
    let text = reply.text().unwrap_or_default();
    let mut words = text.split(' ');
    let is_own = words.next() == Some(&name_of(key));
    let id = words.next().and_then(|word| u64::from_str_radix(word, 16).ok());
    id.filter(|_| is_own)
        .map(|id| What::Read { id })
        .ok_or_else(|| format!("a value of another key: {text:.80}"))
}
