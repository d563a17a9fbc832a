//! A case: what a run of the test does to the servers, step by step.

use std::fmt;

use super::WAIT_MS;
use super::command::{Arg, Command};

/// One step; `connection` counts from 0.
#[derive(Clone, PartialEq, Eq)]
pub enum Step {
    /// A command and its reply.
    Send {
        /// Who sends it.
        connection: usize,
        /// What.
        command: Command,
        /// Whether as one line of text rather than as an array.
        inline: bool,
    },
    /// Several commands in one write.
    Pipeline {
        /// Who sends them.
        connection: usize,
        /// What.
        commands: Vec<Command>,
    },
    /// A SCAN from its start to its end: what it found is compared as a set.
    FullScan {
        /// Who scans.
        connection: usize,
        /// MATCH, COUNT and TYPE.
        options: Vec<Arg>,
    },
    /// After a RESET, commands whose replies CLIENT REPLY suppresses.
    Silent {
        /// Who sends them.
        connection: usize,
        /// Whether by HELLO 3.
        resp3: bool,
        /// SKIP (of the first command only), else OFF and then ON.
        skip: bool,
        /// The commands.
        commands: Vec<Command>,
    },
    /// Everything with a short TTL expires.
    Wait,
}

/// A sequence of steps for fresh connections and empty databases.
#[derive(Clone, PartialEq, Eq)]
pub struct Case {
    /// Which connections say HELLO 3 first.
    pub resp3: [bool; super::CONNECTIONS],
    /// What they do then.
    pub steps: Vec<Step>,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send { connection, command, inline } => {
                let how = if *inline { " (inline)" } else { "" };
                write!(f, "[{connection}]{how} {command:?}")
            }
            Self::Pipeline { connection, commands } => {
                write!(f, "[{connection}] (in one write)")?;
                let mut rest = commands.iter().enumerate();
                rest.try_for_each(|(at, command)| write!(f, "{} {command:?}", if at == 0 { "" } else { ";" }))
            }
            Self::FullScan { connection, options } => {
                let mut command = Command::of("SCAN", &["0"]);
                command.args.extend_from_slice(options);
                write!(f, "[{connection}] (until the cursor is 0 again) {command:?}")
            }
            Self::Silent { connection, resp3, skip, commands } => {
                let hello = if *resp3 { "HELLO 3; " } else { "" };
                let (before, after) = if *skip { ("SKIP", "") } else { ("OFF", "; CLIENT REPLY ON") };
                write!(f, "[{connection}] (in one write) RESET; {hello}CLIENT REPLY {before}")?;
                commands.iter().try_for_each(|command| write!(f, "; {command:?}"))?;
                f.write_str(after)
            }
            Self::Wait => write!(f, "... {WAIT_MS} ms pass"),
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (connection, resp3) in self.resp3.iter().enumerate() {
            if *resp3 {
                writeln!(f, "[{connection}] HELLO 3")?;
            }
        }
        self.steps.iter().try_for_each(|step| writeln!(f, "{step:?}"))
    }
}
