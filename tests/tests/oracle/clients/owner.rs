//! A client with two databases that nobody else writes to: checking is exact, whatever the command.

use std::collections::BTreeSet;

use larder_tests::resp::Value;

use crate::command::{Command, KEYS, Key, PREFIXES, is_number, name_of};
use crate::findings::{Findings, brief};
use crate::life::{Life, words};
use crate::moment::{Span, now};
use crate::possible::Possible;
use crate::random::Random;

/// Longer values are not lengthened.
const LONG: usize = 8 << 10;
const TAGS: u64 = 4;
/// Commands in one write.
const DEPTH: u64 = 10;

#[derive(Debug)]
pub(crate) struct Owner {
    databases: [u32; 2],
    possible: Possible,
    serial: u64,
    pub(crate) findings: Findings,
}

impl Owner {
    pub(crate) fn new(databases: [u32; 2]) -> Self {
        let findings = Findings::new(format!("owner of databases {databases:?}"));
        Self { databases, possible: Possible::default(), serial: 0, findings }
    }

    /// The names of its keys.
    pub(crate) fn names() -> Vec<String> {
        (0..KEYS).map(name_of).collect()
    }

    /// Everything was emptied while nobody did anything.
    pub(crate) fn emptied(&mut self) {
        self.possible.clear();
        (0..KEYS).for_each(|key| self.findings.note(&name_of(key), "everything emptied"));
    }

    pub(crate) fn live(&mut self, life: &Life) {
        let mut random = Random::of(life.seed, life.number, self.databases[0].into());
        let Some(mut client) = life.connect(self.databases[0], &mut self.findings) else { return };
        let hits = self.findings.tally.hits;
        for database in 0..2 {
            let all = (0..KEYS).flat_map(|key| [Command::Get(key), Command::Remaining(key)]);
            if !self.run(&mut client, life, database, &all.collect::<Vec<_>>()) {
                return;
            }
        }
        self.findings.tally.hits_after_restart += self.findings.tally.hits - hits;
        while life.goes_on() {
            let database = random.place(2);
            let batch: Vec<_> = (0..=random.below(DEPTH)).map(|_| self.plan(&mut random, database)).collect();
            if !self.run(&mut client, life, database, &batch) {
                return;
            }
        }
    }

    fn run(
        &mut self,
        client: &mut larder_tests::resp::Client,
        life: &Life,
        database: usize,
        batch: &[Command],
    ) -> bool {
        let select = words(&["SELECT", &self.databases[database].to_string()]);
        let sent: Vec<Vec<Vec<u8>>> =
            [select].into_iter().chain(batch.iter().map(|command| command.words(self.databases))).collect();
        let began = now();
        let (possible, numbers) = (&mut self.possible, self.databases);
        let mut done = 0;
        let whole = life.exchange(client, &sent, &mut self.findings, |findings, place, span, reply| {
            let Some(place) = place.checked_sub(1) else { return };
            done = place + 1;
            let command = &batch[place];
            note(findings, command, numbers, database, span, Some(reply));
            if let Command::Get(_) | Command::GetEx(..) = command {
                findings.tally.reads += 1;
                findings.tally.hits += u64::from(!reply.is_null());
            }
            if let Err(what) = possible.run(database, command, span, Some(reply)) {
                let key = command.keys().first().map(|&key| name_of(key)).unwrap_or_default();
                findings.violation(&key, what);
            }
        });
        // Any number of the rest was done before the end.
        let at = Span { sent: began, answered: now() };
        let mut then = self.possible.clone();
        for command in &batch[done..] {
            note(&mut self.findings, command, numbers, database, at, None);
            self.findings.tally.unacknowledged += 1;
            then.run(database, command, at, None).expect("without a reply nothing is unexplained");
            self.possible.or(&then);
        }
        whole
    }

    fn value(&mut self, key: Key, random: &mut Random) -> Vec<u8> {
        self.serial += 1;
        if is_number(key) {
            return (self.serial * 1000).to_string().into();
        }
        let mut value = format!("{}={}.", name_of(key), self.serial).into_bytes();
        let padding = if random.one_in(12) { random.place(LONG / 2) } else { random.place(120) };
        value.resize(value.len() + padding, b'.');
        value
    }

    fn plan(&mut self, random: &mut Random, database: usize) -> Command {
        let any = |random: &mut Random| random.below(KEYS.into()) as Key;
        let key = any(random);
        // Short ones end while the test runs; the shortest, while the agent is down.
        let ttl = |random: &mut Random| [30, 150, 600, 2_000, 100_000][random.place(5)];
        let tag = |random: &mut Random| random.below(TAGS) as u8;
        let some = |random: &mut Random| (0..=random.below(3)).map(|_| any(random)).collect::<BTreeSet<_>>();
        let is_long = self.possible.of(database, key).iter().any(|entry| entry.value.len() > LONG);
        let other = {
            // Of the same kind, and another.
            let step = if is_number(key) { 4 } else { 1 };
            let candidate = (key + step) % KEYS;
            if is_number(candidate) == is_number(key) { candidate } else { (candidate + 1) % KEYS }
        };
        match random.below(100) {
            0..24 => Command::Get(key),
            24..28 => Command::Remaining(key),
            28..30 => Command::GetEx(key, ttl(random)),
            30..46 => {
                let ttl = random.one_in(3).then(|| ttl(random));
                let tags = (0..random.below(3)).map(|_| tag(random)).collect();
                Command::Set { key, value: self.value(key, random), ttl, tags, if_absent: random.one_in(5) }
            }
            46..49 => Command::GetSet(key, self.value(key, random)),
            49..52 => Command::GetDel(key),
            52..58 if is_number(key) => Command::IncrBy(key, [1, 1, -1, 7][random.place(4)]),
            52..55 if !is_long => Command::Append(key, format!("+{}", self.next_serial()).into()),
            55..58 if !is_long => {
                Command::SetRange(key, random.place(40), format!("~{}", self.next_serial()).into())
            }
            52..58 => Command::Remove { keys: vec![key], verb: "UNLINK" },
            58..63 => Command::Expire(key, ttl(random)),
            63..66 => Command::Persist(key),
            66..70 => Command::Tag(key, tag(random)),
            70..75 => Command::Rename(key, other),
            75..79 => Command::Copy { from: key, to: other, replace: random.one_in(2) },
            79..83 => {
                let keys = some(random);
                Command::SetMany(keys.into_iter().map(|key| (key, self.value(key, random))).collect())
            }
            83..92 => {
                let verb = if random.one_in(3) { "UNLINK" } else { "DEL" };
                Command::Remove { keys: some(random).into_iter().collect(), verb }
            }
            92..94 => Command::PurgeKeys(some(random).into_iter().collect()),
            94..96 => Command::PurgeTag(tag(random)),
            // What empties much is rare, lest there be nothing that could come back.
            96 if random.one_in(3) => Command::PurgePrefix(PREFIXES[random.place(PREFIXES.len())]),
            97 if random.one_in(8) => Command::Flush,
            98 if random.one_in(2) => Command::Swap,
            _ => Command::Get(key),
        }
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

fn note(
    findings: &mut Findings,
    command: &Command,
    numbers: [u32; 2],
    database: usize,
    at: Span,
    reply: Option<&Value>,
) {
    let mut keys = command.keys();
    if keys.is_empty() {
        keys = (0..KEYS).collect();
    }
    let mut told = reply.map_or("no reply".to_owned(), |reply| format!("{reply:?}"));
    told.truncate(told.floor_char_boundary(60));
    let words = brief(&command.words(numbers));
    let line = format!("{:.6?} to {:.6?} in {}: {words} -> {told}", at.sent, at.answered, numbers[database]);
    keys.iter().for_each(|&key| findings.note(&name_of(key), &line));
}
