//! What can be wrong with the configuration, said so that the reader knows what happened, where, and what to
//! do.

use std::io;
use std::path::PathBuf;

use super::draft::{Origin, Place};

/// Why there is no configuration to run with. `Display` is for people and may have several lines; it never
/// holds a password.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line was refused; the text is clap's, with the usage.
    #[error("{0}")]
    Usage(String),
    /// Settings that cannot be used: all that were found, one a line.
    #[error("{}", lines(.0))]
    Settings(Vec<Problem>),
}

impl ConfigError {
    /// The process's exit code for this error, after sysexits.h: 64 for usage, 78 for configuration.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 64,
            Self::Settings(_) => 78,
        }
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// One thing that is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file of `--config` cannot be read.
    #[error(
        "cannot read the configuration file {path:?} named by {by}: {source}; correct the path, or drop it to run on flags, environment and defaults"
    )]
    FileUnreadable {
        /// The file.
        path: PathBuf,
        /// What named it: a flag or a variable.
        by: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The file of `--config` is too long to be one.
    #[error("the configuration file {path:?} is longer than {limit_bytes} bytes: is it the right file?")]
    FileTooLong {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        limit_bytes: u64,
    },
    /// The file of `--config` is not one mapping in YAML.
    #[error("{file}: {what}; write one setting a line, as in `memory: 64MiB`")]
    Syntax {
        /// The file, with the line if it is known.
        file: String,
        /// What the parser found.
        what: String,
    },
    /// A key in the file that is no setting.
    #[error("{path}:{line}: unknown key `{key}`; {hint}", path = path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key as written.
        key: String,
        /// What to do instead.
        hint: String,
    },
    /// A key that stands in the file twice.
    #[error("{path}:{line}: `{key}` is already set on line {first}; remove one of the two", path = path.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// The line of the second, from 1.
        line: usize,
        /// The key.
        key: String,
        /// The line of the first, from 1.
        first: usize,
    },
    /// A value of the wrong YAML type.
    #[error("{place}: {what}")]
    Type {
        /// Where it stands.
        place: Place,
        /// What is there and what to write.
        what: String,
    },
    /// A value that cannot be used.
    #[error("{place}: {value}: {why}")]
    Value {
        /// Where it stands.
        place: Place,
        /// The value, quoted and shortened.
        value: String,
        /// What is wrong and what to write.
        why: String,
    },
    /// The password file cannot be used.
    #[error("password file {path:?} ({origin}): {why}")]
    Password {
        /// The file.
        path: PathBuf,
        /// What named it.
        origin: Origin,
        /// What is wrong and what to do.
        why: String,
    },
    /// The file of the keys at rest cannot be used.
    #[error("at-rest-key file {path:?} ({origin}): {why}")]
    AtRestKey {
        /// The file.
        path: PathBuf,
        /// What named it.
        origin: Origin,
        /// What is wrong and what to do.
        why: String,
    },
    /// Settings that do not go together.
    #[error("{0}")]
    Together(String),
}
