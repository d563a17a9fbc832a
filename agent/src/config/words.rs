//! The settings that are one word out of a few: policy, log format, log level.

/// Which keys may be dropped when memory is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Any key.
    AllKeys,
    /// Only keys with a TTL; without any, writes are refused.
    Volatile,
    /// None: writes are refused.
    NoEviction,
}

/// Shape of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of text an event.
    Text,
    /// One JSON object a line.
    Json,
}

/// The least important log lines to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Larder cannot do its work.
    Error,
    /// Something wants the operator's attention.
    Warn,
    /// Starts, stops, changes of state.
    Info,
    /// Each connection.
    Debug,
    /// Each step.
    Trace,
}

impl Family {
    /// Reads Larder's name of a family, or any Redis name within it, in any case.
    ///
    /// # Errors
    /// What is wrong and what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "allkeys" | "allkeys-lru" | "allkeys-lfu" | "allkeys-lrm" | "allkeys-random" => Ok(Self::AllKeys),
            "volatile" | "volatile-lru" | "volatile-lfu" | "volatile-lrm" | "volatile-random"
            | "volatile-ttl" => Ok(Self::Volatile),
            "noeviction" => Ok(Self::NoEviction),
            _ => Err("not a policy: write allkeys, volatile, noeviction, or one of Redis's names for them"
                .to_owned()),
        }
    }

    /// Larder's name of the family.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllKeys => "allkeys",
            Self::Volatile => "volatile",
            Self::NoEviction => "noeviction",
        }
    }
}

impl LogFormat {
    /// Reads `text` or `json`.
    ///
    /// # Errors
    /// What is wrong and what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("not a log format: write text or json".to_owned()),
        }
    }

    /// The word that [`LogFormat::parse`] reads.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

impl LogLevel {
    /// Reads a level's name, in any case.
    ///
    /// # Errors
    /// What is wrong and what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "error" => Ok(Self::Error),
            "warn" | "warning" => Ok(Self::Warn),
            "info" => Ok(Self::Info),
            "debug" => Ok(Self::Debug),
            "trace" => Ok(Self::Trace),
            _ => Err("not a log level: write error, warn, info, debug or trace".to_owned()),
        }
    }

    /// The word that [`LogLevel::parse`] reads, and that tracing's filters read.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_redis_policy_names_its_family() {
        for (text, family) in [
            ("allkeys", Family::AllKeys),
            ("allkeys-lru", Family::AllKeys),
            ("allkeys-lfu", Family::AllKeys),
            ("ALLKEYS-RANDOM", Family::AllKeys),
            ("volatile", Family::Volatile),
            ("volatile-lru", Family::Volatile),
            ("volatile-lfu", Family::Volatile),
            ("volatile-random", Family::Volatile),
            ("volatile-ttl", Family::Volatile),
            ("noeviction", Family::NoEviction),
        ] {
            assert_eq!(Family::parse(text), Ok(family), "{text}");
        }
        assert!(Family::parse("allkeys-").is_err());
        assert!(Family::parse("lru").is_err());
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for family in [Family::AllKeys, Family::Volatile, Family::NoEviction] {
            assert_eq!(Family::parse(family.as_str()), Ok(family));
        }
        for format in [LogFormat::Text, LogFormat::Json] {
            assert_eq!(LogFormat::parse(format.as_str()), Ok(format));
        }
        for level in [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace] {
            assert_eq!(LogLevel::parse(level.as_str()), Ok(level));
        }
        assert_eq!(LogLevel::parse("Warning"), Ok(LogLevel::Warn));
        assert!(LogFormat::parse("xml").is_err());
        assert!(LogLevel::parse("loud").is_err());
    }
}
