//! What got a reply that is no error: every command and every option that the subject shares with a peer must.

use std::collections::{BTreeMap, BTreeSet};

use crate::resp::Value;

use super::command::Command;
use super::grammar::{self, Line, Presence};
use super::reply::Reply;
use super::trio::{Subject, Trio};

/// Commands that are not generated: they stop the server, or the test.
const EXCLUDED: [&str; 2] = ["SHUTDOWN", "DEBUG"];

/// Commands whose replies that are no errors come by chance: this one needs a latency sample.
const BY_CHANCE: [&str; 1] = ["LATENCY|GRAPH"];

/// Errors that must have been met, each by how it begins: those that only a certain course of events brings about.
const ERRORS: [&str; 24] = [
    "ERR EXEC without MULTI",
    "ERR DISCARD without MULTI",
    "ERR MULTI calls can not be nested",
    "ERR WATCH inside MULTI is not allowed",
    "EXECABORT ",
    "ERR DB index is out of range",
    "ERR An LFU maxmemory policy is not selected",
    "ERR NX and XX, GT or LT options at the same time are not compatible",
    "ERR No such client",
    "ERR Unknown option or number of arguments for CONFIG SET",
    "ERR bit offset is not an integer or out of range",
    "ERR increment or decrement would overflow",
    "ERR increment would produce NaN or Infinity",
    "ERR invalid cursor",
    "ERR invalid expire time in",
    "ERR no such key",
    "ERR string exceeds maximum allowed size",
    "ERR syntax error",
    "ERR unknown command 'NOSUCHCOMMAND'",
    "ERR unknown subcommand",
    "ERR value is not a valid float",
    "ERR value is not an integer or out of range",
    "NOPROTO ",
    "WRONGPASS ",
];

/// How much of an error is remembered.
const ERROR_CHARS: usize = 80;

/// What has been met so far.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// By name of the command: its options that were part of a reply that is no error.
    commands: BTreeMap<&'static str, BTreeSet<&'static str>>,
    /// The errors.
    errors: BTreeSet<String>,
    /// Whether an EXEC found a watched key changed.
    aborted: bool,
    /// Whether a command failed inside an EXEC, and others did not.
    failed_inside: bool,
}

impl Coverage {
    /// Notes the subject's reply to `command`; `queued` is what EXEC executed.
    pub(crate) fn note(&mut self, command: &Command, queued: &[Command], reply: &Reply) {
        let (Reply::Value(value) | Reply::Last(value)) = reply else { return };
        if value.is_error() {
            self.errors.extend(value.text().map(|text| text.chars().take(ERROR_CHARS).collect()));
        }
        if value.is_error() || command.damaged || *value == Value::Simple(b"QUEUED".to_vec()) {
            return;
        }
        let options: Vec<_> = command.options().collect();
        self.note_word(command.name, &options);
        self.aborted |= command.name == "EXEC" && value.is_null();
        if let ("EXEC", Some(replies)) = (command.name, value.items()) {
            self.failed_inside |= replies.iter().any(Value::is_error) && !replies.iter().all(Value::is_error);
            for (command, reply) in queued.iter().zip(replies) {
                self.note(command, &[], &Reply::Value(Value::clone(reply)));
            }
        }
    }

    /// Notes options of a command.
    pub(crate) fn note_word(&mut self, name: &'static str, options: &[&'static str]) {
        self.commands.entry(name).or_default().extend(options);
    }

    /// Adds what another run has covered.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (name, options) in &other.commands {
            self.note_word(name, &options.iter().copied().collect::<Vec<_>>());
        }
        self.errors.extend(other.errors.iter().cloned());
        self.aborted |= other.aborted;
        self.failed_inside |= other.failed_inside;
    }

    /// How many commands and options were covered.
    pub fn size(&self) -> usize {
        self.commands.values().map(|options| 1 + options.len()).sum()
    }

    fn has(&self, name: &str, option: Option<&str>) -> bool {
        let options = self.commands.get(name);
        options.is_some_and(|options| option.is_none_or(|option| options.contains(option)))
    }

    /// What is missing, a sentence each: of the grammar in the subject, of the subject's table in the grammar, and of
    /// either among what was covered.
    pub(crate) fn missing(&self, lines: &[Line], trio: &Trio) -> Vec<String> {
        let [subject, peers @ ..] = &trio.0;
        let shared = |name: &String| peers.iter().any(|peer| peer.commands.contains(name));
        let is_container = |name: &String| {
            let prefix = format!("{name}|");
            subject.commands.iter().any(|other| other.starts_with(&prefix)) && name != "COMMAND"
        };
        let excluded =
            |name: &String| EXCLUDED.iter().any(|left_out| name.split('|').next() == Some(left_out));

        let mut missing = self.missing_of_grammar(lines, &subject.commands);
        for name in
            subject.commands.iter().filter(|name| shared(name) && !is_container(name) && !excluded(name))
        {
            if name != "CLIENT|REPLY" && !lines.iter().any(|line| line.name == name) {
                missing.push(format!("{name} is in the subject's table and not in the grammar"));
                continue;
            }
            let documented = subject.options.get(name).into_iter().flatten();
            let of_peers =
                |option: &&String| peers.iter().any(|peer| has_option(&peer.options, name, option));
            for option in documented.filter(of_peers).filter(|option| !self.has(name, Some(option))) {
                missing.push(format!(
                    "{name} {option} is in the subject's COMMAND DOCS and never got a reply but errors"
                ));
            }
        }
        missing
    }

    /// Of the grammar alone.
    pub(crate) fn missing_of_grammar(&self, lines: &[Line], commands: &BTreeSet<String>) -> Vec<String> {
        let mut missing = BTreeSet::new();
        for line in lines {
            match (line.presence, commands.contains(line.name)) {
                (Presence::Nowhere, _) | (Presence::Optional, false) => continue,
                (Presence::Required, false) => {
                    missing.insert(format!("{} is not in the subject's table", line.name));
                    continue;
                }
                (_, true) => {}
            }
            if !self.has(line.name, None) && !BY_CHANCE.contains(&line.name) {
                missing.insert(format!("{} never got a reply but errors", line.name));
            }
            line.arguments.each_word(&mut |word| {
                if !self.has(line.name, Some(word)) {
                    missing.insert(format!("{} {word} never got a reply but errors", line.name));
                }
            });
        }
        for option in ["ON", "OFF", "SKIP"] {
            if !self.has("CLIENT|REPLY", Some(option)) {
                missing.insert(format!("CLIENT|REPLY {option} never had its effect"));
            }
        }
        for error in ERRORS.iter().filter(|error| !self.errors.iter().any(|met| met.starts_with(**error))) {
            missing.insert(format!("no reply began with `{error}`"));
        }
        if !self.aborted {
            missing.insert("no EXEC found a watched key changed".to_owned());
        }
        if !self.failed_inside {
            missing.insert("no command failed inside an EXEC beside others that did not".to_owned());
        }
        missing.into_iter().collect()
    }
}

/// The options that Redis 7.0 tells of the grammar's commands and that the grammar does not have: `NAME OPTION`.
///
/// # Panics
/// When the servers cannot be started.
pub fn options_not_generated() -> BTreeSet<String> {
    let trio = Trio::start(&Subject::Redis(&[]));
    let lines = grammar::table();
    let mut generated = BTreeSet::new();
    for line in &lines {
        line.arguments.each_word(&mut |word| {
            generated.insert((line.name, word));
        });
    }
    assert!(trio.0[1].options["SET"].contains("KEEPTTL"), "COMMAND DOCS was not understood");
    let documented = |line: &Line| trio.0[1].options.get(line.name).cloned().unwrap_or_default();
    let all = lines.iter().flat_map(|line| documented(line).into_iter().map(|option| (line.name, option)));
    all.filter(|(name, option)| !generated.contains(&(*name, option.as_str())))
        .map(|(name, option)| format!("{name} {option}"))
        .collect()
}

fn has_option(options: &BTreeMap<String, BTreeSet<String>>, name: &str, option: &str) -> bool {
    options.get(name).is_some_and(|options| options.contains(option))
}
